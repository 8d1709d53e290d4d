"""The end of the HTTP side is bounded, whatever clients and handlers do."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from fastapi.responses import StreamingResponse

from services._chassis import http as module
from services._chassis.http import create_http, create_server, end_http
from services._chassis.http_connections import listen
from services._chassis.tasks import until_over


async def nothing_missing() -> dict[str, str]:
    return {}


async def test_fifty_event_streams_and_requests_that_ignore_a_cancellation_hold_no_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Field point 69."""
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.2)
    http = create_http(nothing_missing)
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    entered = asyncio.Event(), asyncio.Event()

    async def events() -> AsyncIterator[bytes]:
        yield b": begun\n\n"
        await asyncio.Event().wait()

    @http.get("/events")
    async def stream() -> StreamingResponse:
        return StreamingResponse(events(), media_type="text/event-stream")

    @http.get("/slow")
    async def slow() -> None:
        entered[0].set()
        await asyncio.Event().wait()

    @http.get("/stubborn")
    async def stubborn() -> None:
        entered[1].set()
        await until_over(over)

    listening = listen("127.0.0.1", 0)
    server = create_server(http, listening.connections)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    paths = ["/events"] * 50 + ["/slow", "/stubborn"]
    connections = [await asyncio.open_connection(*listening.getsockname()) for _ in paths]
    for path, (reader, writer) in zip(paths, connections, strict=True):
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        if path == "/events":
            await reader.readuntil(b": begun\n\n")
    async with asyncio.timeout(10):
        await asyncio.gather(*(asked.wait() for asked in entered))
    begun = time.monotonic()
    assert await end_http(server, serving) == 1
    assert time.monotonic() - begun <= 0.2 + 2.5
    assert serving.done()
    rests = [await reader.read() for reader, _ in connections[:-1]]
    assert {rest.strip() for rest in rests[:50]} == {b"0"}, "each stream has its end"
    assert rests[50].startswith(b"HTTP/1.1 503 ")
    over.set_result(None)
    for _, writer in connections:
        writer.close()
