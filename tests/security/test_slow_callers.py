"""Callers who are slow, silent or many have deadlines and a bounded number of connections, and hold up nobody else."""

import asyncio
import errno
import resource
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Response
from uvicorn import Config

from services._chassis.http import create_http, create_server, end_http
from services._chassis.http_accepting import ACCEPTED_A_SECOND, ACCEPTED_AT_ONCE, Accepting
from services._chassis.http_connections import (
    Connection,
    Listening,
    OpenConnections,
    Phase,
    first_to_go,
    listen,
    most_open,
)
from services._chassis.http_protocol import Deadlines
from services._chassis.tls_files import TlsFiles
from tests.chassis.certificates import Authority

SHORT = Deadlines(headers=0.1, body=0.1, unread=0.1, closing=5)
LONG = Deadlines(headers=60, body=60, unread=60, closing=60)
GET = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
LARGE = 8_000_000


@dataclass
class Served:
    port: int
    connections: OpenConnections
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    working: int = 0

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)


@asynccontextmanager
async def serving(deadlines: Deadlines, most: int = 100, tls: ssl.SSLContext | None = None) -> AsyncIterator[Served]:
    async def ready() -> dict[str, str]:
        return {}

    http: FastAPI = create_http(ready)
    connections = OpenConnections(most, deadlines.headers)
    listening = listen("127.0.0.1", 0, connections)
    served = Served(listening.getsockname()[1], connections)

    @http.get("/large")
    async def large() -> Response:
        return Response(b" " * LARGE)

    @http.get("/waits")
    async def waits() -> None:
        served.working += 1
        await served.gate.wait()

    server = create_server(http, connections, deadlines, tls)
    running = asyncio.create_task(server.serve([listening]))
    yield served
    served.gate.set()
    await end_http(server, running)


async def drip(writer: asyncio.StreamWriter) -> None:
    """Send a byte again and again until the connection ends."""
    with suppress(OSError):
        while not writer.is_closing():
            writer.write(b"a")
            await writer.drain()
            await asyncio.sleep(0.005)


async def until(fact: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not fact():  # noqa: ASYNC110  neither sockets nor servers notify
            await asyncio.sleep(0.005)


async def rest(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(10):
        try:
            return await reader.read()
        except ConnectionError:
            return b""


async def test_a_silent_connection_ends_at_its_deadline() -> None:
    async with serving(SHORT) as served:
        reader, writer = await served.connect()
        assert await rest(reader) == b""
        await until(lambda: len(served.connections) == 0)
        writer.close()


@pytest.mark.parametrize(
    ("begin", "what"),
    [
        (b"GET /livez HTTP/1.1\r\nX-Long: ", b"headers"),
        (b"POST /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n\r\n", b"body"),
        (b"POST /livez HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 200000\r\n\r\n", b"body"),
    ],
)
async def test_no_byte_moves_the_deadline_of_headers_or_of_a_body(begin: bytes, what: bytes) -> None:
    """Field point 64."""
    async with serving(SHORT) as served:
        reader, writer = await served.connect()
        writer.write(begin)
        dripping = asyncio.create_task(drip(writer))
        answer = await rest(reader)
        assert b"HTTP/1.1 408 Request Timeout\r\n" in answer
        assert b"The " + what + b" of a request may take 0.1 seconds." in answer
        assert b"application/problem+json" in answer
        writer.close()
        await dripping
        await until(lambda: len(served.connections) == 0)


async def test_a_connection_that_is_kept_has_the_deadline_for_its_next_request_as_well() -> None:
    async with serving(SHORT) as served:
        reader, writer = await served.connect()
        writer.write(GET)
        assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200 ")
        (connection,) = served.connections.all
        assert connection.phase is Phase.IDLE
        assert connection.deadline is None, "it may wait for its next request for as long as uvicorn keeps it"
        writer.write(b"GET /live")
        assert b" 408 " in await rest(reader)
        writer.close()


async def test_an_answer_that_nobody_reads_is_given_up() -> None:
    async with serving(SHORT) as served:
        reader, writer = await served.connect()
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # asyncio types it as a plain one
        writer.write(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await until(lambda: len(served.connections) == 1)
        await until(lambda: len(served.connections) == 0)
        assert not reader.at_eof(), "it is not its caller who has ended it"
        writer.transport.abort()


async def test_half_open_connections_make_room_for_one_that_asks() -> None:
    async with serving(LONG, most=10) as served:
        silent = [await served.connect() for _ in range(40)]
        await until(lambda: served.connections.closed_early == 30)
        assert len(served.connections) == 10
        reader, writer = await served.connect()
        writer.write(GET)
        assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200 ")
        for _, other in [*silent, (reader, writer)]:
            other.close()


async def test_what_is_at_work_is_never_closed_for_others() -> None:
    async with serving(LONG, most=3) as served:
        working = [await served.connect() for _ in range(3)]
        for _, writer in working:
            writer.write(b"GET /waits HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await until(lambda: served.working == 3)
        reader, writer = await served.connect()
        assert await rest(reader) == b"", "there is no room"
        writer.close()
        served.gate.set()
        for reader, writer in working:
            assert (await reader.readuntil(b"null")).startswith(b"HTTP/1.1 200 ")
            writer.close()


async def test_no_connection_becomes_a_web_socket_which_has_no_deadlines() -> None:
    async with serving(SHORT) as served:
        reader, writer = await served.connect()
        key = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        writer.write(GET.replace(b"\r\n\r\n", b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" + key + b"\r\n"))
        assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200 ")
        writer.close()


def test_who_has_most_connections_loses_the_one_that_has_done_least() -> None:
    def connection(address: str, phase: Phase, since: int) -> Connection:
        return Connection(since, address, lambda: None, phase, since)

    few = connection("10.0.0.1", Phase.HEADERS, 1)
    many = [
        connection("10.0.0.2", Phase.IDLE, 2),
        connection("10.0.0.2", Phase.HEADERS, 4),
        connection("10.0.0.2", Phase.HEADERS, 3),
    ]
    working = [connection("10.0.0.3", Phase.WORKING, number) for number in range(5, 15)]
    assert first_to_go([few, *many, *working]) is many[2]
    assert first_to_go([few]) is few
    assert first_to_go(working) is None


@pytest.mark.parametrize(("descriptors", "most"), [(1024, 512), (256, 128), (1_048_576, 512), (-1, 512)])
def test_half_of_the_descriptors_are_left_to_the_others(
    descriptors: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (descriptors, descriptors))
    assert most_open() == most


async def test_connections_are_accepted_no_faster_than_beside_other_work() -> None:
    listening = listen("127.0.0.1", 0, OpenConnections(10_000))
    now = 1000.0
    config = Config(FastAPI(), log_config=None)
    config.load()
    accepting = Accepting(listening, asyncio.Protocol, config, lambda: now)
    accepting.begin()
    port = listening.getsockname()[1]
    opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(ACCEPTED_AT_ONCE + 10)]
    await until(lambda: len(listening.connections) == ACCEPTED_AT_ONCE)
    accepting.begin()
    await asyncio.sleep(0)
    assert len(listening.connections) == ACCEPTED_AT_ONCE, "the others wait in the kernel"
    now += 5.5 / ACCEPTED_A_SECOND
    accepting.begin()
    await until(lambda: len(listening.connections) == ACCEPTED_AT_ONCE + 5)
    for _, writer in opened:
        writer.close()
    for connection in listening.connections.all:
        connection.close()
    asyncio.get_running_loop().remove_reader(listening)
    listening.close()


async def test_a_process_without_descriptors_goes_on_when_there_are_some(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(LONG) as served:
        refused: list[OSError] = []
        accept = Listening.accept

        def accepts(listening: Listening) -> Any:
            if refused:
                return accept(listening)
            refused.append(OSError(errno.EMFILE, "Too many open files"))
            raise refused[0]

        monkeypatch.setattr(Listening, "accept", accepts)
        reader, writer = await served.connect()
        writer.write(GET)
        assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200 ")
        assert refused
        writer.close()


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x02\x00\x01", b"GET /livez HTTP/1.1\r\nHost: surefoot\r\n\r\n"])
async def test_a_handshake_that_does_not_end_has_the_deadline_of_headers(sent: bytes, tmp_path: Path) -> None:
    pair = Authority(tmp_path).issue("server")
    names = ("", "SUREFOOT_HTTP_CERTIFICATE", "SUREFOOT_HTTP_KEY")
    tls = TlsFiles("http", names, None, str(pair.certificate), str(pair.key), serves=True).context
    async with serving(SHORT, tls=tls) as served:
        reader, writer = await served.connect()
        writer.write(sent)
        await rest(reader)
        await until(lambda: len(served.connections) == 0)
        writer.close()


async def test_over_tls_an_end_that_the_other_side_does_not_take_part_in_has_its_deadline(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("server")
    names = ("", "SUREFOOT_HTTP_CERTIFICATE", "SUREFOOT_HTTP_KEY")
    tls = TlsFiles("http", names, None, str(pair.certificate), str(pair.key), serves=True).context
    trusting = TlsFiles("test", ("", "", ""), str(authority.file)).context
    async with serving(replace(SHORT, headers=1, closing=0.1), tls=tls) as served:
        _, writer = await asyncio.open_connection("127.0.0.1", served.port, ssl=trusting)
        await until(lambda: len(served.connections) == 1)
        writer.write(b"GET /livez HTTP/1.1\r\nX-Long: ")
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # so that it never sees the end
        await until(lambda: len(served.connections) == 0)
        writer.transport.abort()
