"""The application behind the load balancer: plain HTTP that answers as the image of a task in service would.

One port of asyncio. Sockets live in real time, so latencies are real seconds at any speed of the world.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from random import Random
from ssl import SSLContext

from sandbox.aws.http_answers import NotHttp, Request, Response, answer, json_response
from sandbox.aws.server.routing import Behind

IDLE_SECONDS = 60.0
"""The load balancer's idle timeout: it waits no longer, for a client or for a task (its default)."""
MAX_HEAD = 16_384
MAX_BODY = 1_000_000
MAX_CONNECTIONS = 512
NO_HTTP = b"\x20\x02\x00\x05"
"""The answer of a container that speaks another protocol: MQTT's refusal of a connection."""
CRLF = "\r\n"

Way = Callable[[Request], Response | Behind]


class Application:
    """Serve on a port. ``way`` returns which behaviours a request may meet at this moment, or what the load balancer
    answers; ``demanded`` which headers it must carry.
    """

    def __init__(self, way: Way, random: Random, demanded: Callable[[], Mapping[str, str]] = dict) -> None:
        self._way = way
        self._demanded = demanded
        self._random = random
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int, tls: SSLContext | None = None) -> int:
        """Listen, and return the port. Raise ``OSError`` when it is taken."""
        self._server = await asyncio.start_server(self._connected, host, port, limit=MAX_HEAD, ssl=tls)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def respond(self, request: Request) -> Response:
        """Send one request to a task, or answer in the load balancer's name. Raise ``NotHttp`` as a task does."""
        choices = self._way(request)
        if isinstance(choices, Response):
            return choices
        if not self._demanded().items() <= request.headers.items():
            return json_response(401, {"detail": "Not authenticated"})
        if not choices:
            return Response(503, b"<html><body><h1>503 Service Temporarily Unavailable</h1></body></html>", "text/html")
        behaviour, listening = self._random.choice(choices)
        lost = behaviour.unanswered_rate > 0 and self._random.random() < behaviour.unanswered_rate
        if lost or not listening:
            return Response(502, b"<html><body><h1>502 Bad Gateway</h1></body></html>", "text/html")
        seconds = behaviour.latency * self._random.lognormvariate(0, behaviour.latency_spread)
        await asyncio.sleep(min(seconds, IDLE_SECONDS))
        if seconds > IDLE_SECONDS:
            return Response(504, b"<html><body><h1>504 Gateway Time-out</h1></body></html>", "text/html")
        return answer(request, behaviour, lucky=self._random.random() >= behaviour.error_rate)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._connections) >= MAX_CONNECTIONS:
            writer.close()
            return
        self._connections.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
                while await self._serve_one(reader, writer):
                    pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Serve one request; return whether the connection stays open for another."""
        async with asyncio.timeout(IDLE_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
            request = parse(head)
            length = _length(request)
            if request is None or length is None:
                await _write(writer, json_response(400, {"detail": "Bad Request"}), head=False, keep=False)
                return False
            await reader.readexactly(length)
        keep = request.headers.get("connection", "").lower() != "close"
        try:
            response = await self.respond(request)
        except NotHttp:
            writer.write(NO_HTTP)
            return False
        await _write(writer, response, head=request.method == "HEAD", keep=keep)
        return keep


def parse(head: bytes) -> Request | None:
    """A request's line and headers; None when it is no HTTP/1 request."""
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        return None
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)
    }
    if words[2] == "HTTP/1.0":
        headers.setdefault("connection", "close")
    path, _, query = words[1].partition("?")
    return Request(words[0], path, headers, query)


def _length(request: Request | None) -> int | None:
    if request is None or "transfer-encoding" in request.headers:
        return None
    text = request.headers.get("content-length", "0")
    return int(text) if text.isdecimal() and int(text) <= MAX_BODY else None


async def _write(writer: asyncio.StreamWriter, response: Response, *, head: bool, keep: bool) -> None:
    lines = (
        f"HTTP/1.1 {response.status} {_reason(response.status)}\r\n"
        f"Content-Type: {response.content_type}\r\n"
        f"Content-Length: {len(response.body)}\r\n"
        f"{f'Location: {response.location}' + CRLF if response.location else ''}"
        f"Connection: {'keep-alive' if keep else 'close'}\r\n\r\n"
    )
    writer.write(lines.encode() + (b"" if head else response.body))
    async with asyncio.timeout(IDLE_SECONDS):
        await writer.drain()


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
