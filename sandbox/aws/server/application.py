"""The application behind the load balancer: plain HTTP that answers as the image of a task in service would.

One port of asyncio. Sockets live in real time, so latencies are real seconds at any speed of the world.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any

from sandbox.scenarios.behaviour import Behaviour

IDLE_SECONDS = 60.0
"""The load balancer's idle timeout: it waits no longer, for a client or for a task (its default)."""
MAX_HEAD = 16_384
MAX_BODY = 1_000_000
MAX_CONNECTIONS = 512

REASONS = {
    200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 405: "Method Not Allowed",
    500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout",
}  # fmt: skip

Behind = Callable[[], Sequence[tuple[Behaviour, bool]]]


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    """Names in lower case."""


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    body: bytes
    content_type: str = "application/json"


def _json(status: int, document: Any) -> Response:
    return Response(status, json.dumps(document).encode())


def answer(request: Request, behaviour: Behaviour, *, lucky: bool) -> Response:
    """Return what the container answers; ``lucky`` unless this request falls into the behaviour's error rate."""
    path = request.path.rstrip("/") or "/"
    if path == "/health":
        return _HEALTHY if behaviour.passes_health_check else _UNHEALTHY
    if path in {"/health/ready", "/api/v1/health/ready"}:
        return _ready(behaviour)
    return _page(request, path) if lucky else _json(500, {"detail": "Internal Server Error"})


def _page(request: Request, path: str) -> Response:
    if path not in _PAGES:
        return _json(404, {"detail": "Not Found"})
    if request.method not in {"GET", "HEAD"}:
        return _json(405, {"detail": "Method Not Allowed"})
    signed_in = request.headers.get("authorization", "").lower().startswith("bearer ")
    if path == "/api/v1/auth/me" and not signed_in:
        return _json(401, {"detail": "Not authenticated"})
    return _PAGES[path]


_HEALTHY = _json(200, {"status": "healthy"})
_UNHEALTHY = _json(503, {"status": "unhealthy"})


def _ready(behaviour: Behaviour) -> Response:
    state = "connected" if behaviour.database else "disconnected"
    ready, current = behaviour.database and behaviour.migrated, "b2f1" if behaviour.migrated else "a1e0"
    document = {
        "status": "ready" if ready else "not_ready",
        "database": {"status": state},
        "redis": {"status": "connected"},
        "migrations": {"current": current, "head": "b2f1", "up_to_date": behaviour.migrated},
    }
    return _json(200 if ready else 503, document)


_OPENAPI = {
    "openapi": "3.1.0",
    "info": {"title": "Court case API", "version": "1.0"},
    "paths": {
        path: {"get": {"responses": {"200": {"description": "OK"}}}}
        for path in (
            "/health",
            "/health/ready",
            "/api/v1/",
            "/api/v1/cases",
            "/api/v1/documents",
            "/api/v1/auth/me",
        )
    },
}
_PAGES = {
    "/": _json(200, {"name": "Court case API"}),
    "/api/v1": _json(200, {"name": "Court case API", "version": "v1"}),
    "/api/v1/cases": _json(200, {"items": [{"id": 1, "title": "Doe v. Roe"}], "total": 1}),
    "/api/v1/documents": _json(200, {"items": [], "total": 0}),
    "/api/v1/auth/me": _json(200, {"id": 1, "name": "clerk"}),
    "/api/v1/monitoring": _json(200, {"status": "ok"}),
    "/api/v1/monitoring/health": _json(200, {"status": "ok"}),
    "/api/v1/monitoring/metrics": _json(200, {"requests": 0}),
    "/docs": Response(200, b"<!doctype html><title>Court case API</title>", "text/html; charset=utf-8"),
    "/openapi.json": _json(200, _OPENAPI),
}


class Application:
    """Serve on a port. ``behind`` returns which behaviours a request may meet at this moment, ``demanded`` which
    headers it must carry.
    """

    def __init__(self, behind: Behind, random: Random, demanded: Callable[[], Mapping[str, str]] = dict) -> None:
        self._behind = behind
        self._demanded = demanded
        self._random = random
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port. Raise ``OSError`` when it is taken."""
        self._server = await asyncio.start_server(self._connected, host, port, limit=MAX_HEAD)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def respond(self, request: Request) -> Response:
        """Send one request to a task, or answer in the load balancer's name when there is none."""
        if not self._demanded().items() <= request.headers.items():
            return _json(401, {"detail": "Not authenticated"})
        choices = self._behind()
        if not choices:
            return Response(503, b"<html><body><h1>503 Service Temporarily Unavailable</h1></body></html>", "text/html")
        behaviour, listening = self._random.choice(choices)
        if not listening:
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
                await _write(writer, _json(400, {"detail": "Bad Request"}), head=False, keep=False)
                return False
            await reader.readexactly(length)
        keep = request.headers.get("connection", "").lower() != "close"
        await _write(writer, await self.respond(request), head=request.method == "HEAD", keep=keep)
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
    return Request(words[0], words[1].partition("?")[0], headers)


def _length(request: Request | None) -> int | None:
    if request is None or "transfer-encoding" in request.headers:
        return None
    text = request.headers.get("content-length", "0")
    return int(text) if text.isdecimal() and int(text) <= MAX_BODY else None


async def _write(writer: asyncio.StreamWriter, response: Response, *, head: bool, keep: bool) -> None:
    lines = (
        f"HTTP/1.1 {response.status} {REASONS[response.status]}\r\n"
        f"Content-Type: {response.content_type}\r\n"
        f"Content-Length: {len(response.body)}\r\n"
        f"Connection: {'keep-alive' if keep else 'close'}\r\n\r\n"
    )
    writer.write(lines.encode() + (b"" if head else response.body))
    async with asyncio.timeout(IDLE_SECONDS):
        await writer.drain()
