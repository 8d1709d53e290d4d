"""Bodies of requests over HTTP are bounded, whether their length is announced or not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter, FastAPI

from contracts.bounds import MOST_BYTES
from services._chassis.http import PREFIX, create_http, create_server, end_http
from services._chassis.http_connections import listen
from services._chassis.operations import Requested


class Order(Requested):
    number: float = 0
    note: Any = None


def application() -> FastAPI:
    router = APIRouter()

    @router.post("/orders")
    async def order(request: Order) -> dict[str, float]:
        return {"number": request.number}

    @router.get("/orders")
    async def orders() -> str:
        return "none"

    async def ready() -> dict[str, str]:
        return {}

    http = create_http(ready)
    http.include_router(router, prefix=PREFIX)
    return http


@pytest.fixture
async def served() -> AsyncIterator[str]:
    listening = listen("127.0.0.1", 0)
    server = create_server(application(), listening.connections)
    serving = asyncio.create_task(server.serve([listening]))
    yield f"http://127.0.0.1:{listening.getsockname()[1]}{PREFIX}/orders"
    await end_http(server, serving)


async def chunks(size: int, sent: list[int] | None = None) -> AsyncIterator[bytes]:
    for _ in range(size // 10_000):
        yield b" " * 10_000
        if sent is not None:
            sent.append(10_000)


def refused(answer: httpx2.Response, status: int) -> str:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["status"] == status
    return str(answer.json()["detail"])


async def test_a_body_beyond_the_bound_is_413_and_is_not_read_on(served: str) -> None:
    async with httpx2.AsyncClient() as client:
        announced = await client.post(
            served, content=b" " * (MOST_BYTES + 1), headers={"content-type": "application/json"}
        )
        assert "262,144 bytes" in refused(announced, 413)
        sent: list[int] = []
        with suppress(httpx2.TransportError):  # the connection may be closed while the rest is still being sent
            refused(await client.post(served, content=chunks(200_000_000, sent)), 413)
        assert sum(sent) < 20_000_000  # what fits into the buffers of the sockets
        assert (await client.post(served, json={"number": 2})).json() == {"number": 2}


async def test_a_chunked_body_within_the_bound_passes(served: str) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b'{"num'
        yield b'ber": 3}'

    async with httpx2.AsyncClient() as client:
        answer = await client.post(served, content=body(), headers={"content-type": "application/json"})
        assert answer.json() == {"number": 3}
        assert (await client.get(served)).json() == "none"


async def test_too_many_headers_are_refused(served: str) -> None:
    async with httpx2.AsyncClient() as client:
        answer = await client.get(served, headers={f"x-{n}": "y" * 1_000 for n in range(40)})
    assert "16,384 bytes" in refused(answer, 431)


@pytest.mark.parametrize(
    "body",
    [
        b'{"number": 1e999}',
        b'{"number": NaN}',
        b'{"number": -Infinity}',
        b'{"note": 1e999}',
        b'{"note": ' + b"[" * 100 + b"]" * 100 + b"}",
        b'{"note": ' + b"[" * 100_000,
        b'{"note": ' + b"1" * 5_000 + b"}",
        b'{"note": "' + b"x" * 20_000 + b'"}',
        b'{"note": "\\ud800"}',
        b'{"actor": "' + b"x" * 513 + b'"}',
        b'{"reason": "' + b"x" * 513 + b'"}',
        b"\xff",
    ],
)
async def test_what_is_beyond_the_bounds_is_the_callers_fault(body: bytes) -> None:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=application()), base_url="http://here") as client:
        answer = await client.post(f"{PREFIX}/orders", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_request_with_two_lengths_is_400_and_nothing_behind_it_is_answered(served: str) -> None:
    """A proxy that goes by the other length would send a request of somebody else's behind it."""
    url = httpx2.URL(served)
    head = f"POST {url.path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    hidden = f"GET {url.path} HTTP/1.1\r\nHost: localhost\r\n\r\n"
    lengths = f"Content-Length: {5 + len(hidden)}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", url.port)
    writer.write(f"{head}{lengths}{hidden}".encode())
    answered = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    assert answered.startswith(b"HTTP/1.1 400 ")
    assert answered.count(b"HTTP/1.1 ") == 1
