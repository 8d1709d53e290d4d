"""HTTP requests and responses, and what the container of an image answers."""

import json
from dataclasses import dataclass
from typing import Any

from sandbox.scenarios.behaviour import Behaviour


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    query: str = ""
    """Without the question mark."""


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    body: bytes
    content_type: str = "application/json"
    location: str = ""
    """Where a redirect leads."""


class NotHttp(Exception):
    """The other side answers with bytes that are no HTTP."""


def json_response(status: int, document: Any) -> Response:
    return Response(status, json.dumps(document).encode())


def answer(request: Request, behaviour: Behaviour, *, lucky: bool) -> Response:
    """Return what the container answers; ``lucky`` unless this request falls into the behaviour's error rate.

    Raise ``NotHttp`` where it speaks another protocol.
    """
    if behaviour.speaks == "TCP":
        raise NotHttp
    path, mounted_at = request.path.rstrip("/") or "/", behaviour.mounted_at
    if mounted_at and path != mounted_at and not path.startswith(f"{mounted_at}/"):
        return json_response(404, {"detail": "Not Found"})
    path = path.removeprefix(mounted_at) or "/"
    if behaviour.paths is not None:
        return _declared(path, behaviour, lucky=lucky)
    if path == "/health":
        return _HEALTHY if behaviour.passes_health_check else _UNHEALTHY
    if path in {"/health/ready", "/api/v1/health/ready"}:
        return _ready(behaviour)
    return _page(request, path) if lucky else json_response(500, {"detail": "Internal Server Error"})


def _declared(path: str, behaviour: Behaviour, *, lucky: bool) -> Response:
    """Return the answer of an image that names the paths that it has."""
    known = {known.rstrip("/") or "/": status for known, status in (behaviour.paths or {}).items()}
    status = known.get(path, 404)
    if status < 400 and not lucky:
        return json_response(500, {"detail": "Internal Server Error"})
    return json_response(status, {"status": status})


def _page(request: Request, path: str) -> Response:
    if path not in _PAGES:
        return json_response(404, {"detail": "Not Found"})
    if request.method not in {"GET", "HEAD"}:
        return json_response(405, {"detail": "Method Not Allowed"})
    signed_in = request.headers.get("authorization", "").lower().startswith("bearer ")
    if path == "/api/v1/auth/me" and not signed_in:
        return json_response(401, {"detail": "Not authenticated"})
    return _PAGES[path]


_HEALTHY = json_response(200, {"status": "healthy"})
_UNHEALTHY = json_response(503, {"status": "unhealthy"})


def _ready(behaviour: Behaviour) -> Response:
    state = "connected" if behaviour.database else "disconnected"
    ready, head = behaviour.database and behaviour.migrated, behaviour.revision
    current = behaviour.at_revision or (head if behaviour.migrated else "a1e0")
    document = {
        "status": "ready" if ready else "not_ready",
        "database": {"status": state},
        "redis": {"status": "connected"},
        "migrations": {"current": current, "head": head, "up_to_date": behaviour.migrated and current == head},
    }
    return json_response(200 if ready else 503, document)


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
    "/": json_response(200, {"name": "Court case API"}),
    "/api/v1": json_response(200, {"name": "Court case API", "version": "v1"}),
    "/api/v1/cases": json_response(200, {"items": [{"id": 1, "title": "Doe v. Roe"}], "total": 1}),
    "/api/v1/documents": json_response(200, {"items": [], "total": 0}),
    "/api/v1/auth/me": json_response(200, {"id": 1, "name": "clerk"}),
    "/api/v1/monitoring": json_response(200, {"status": "ok"}),
    "/api/v1/monitoring/health": json_response(200, {"status": "ok"}),
    "/api/v1/monitoring/metrics": json_response(200, {"requests": 0}),
    "/docs": Response(200, b"<!doctype html><title>Court case API</title>", "text/html; charset=utf-8"),
    "/openapi.json": json_response(200, _OPENAPI),
}
