"""Requests have a size: headers and body are looked at before the application sees them, the body read as a whole."""

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contracts.bounds import MOST_BYTES, OutOfBounds, check_json
from services._chassis.problems import problem_answer

MOST_HEADER_BYTES = 16_384
"""Bytes of a request's target and headers together."""


class Bounded:
    """Answers 413 for a body of more than ``MOST_BYTES``, also where its length is not announced, and 431 for headers.

    JSON beyond another bound (``contracts/bounds.py``) is 422. What is no JSON is left to the application. A request
    with two lengths is 400: what a proxy takes for its body could hold another request (RFC 9112, section 6.1).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if _header_bytes(scope) > MOST_HEADER_BYTES:
            why = f"A request's target and headers may have {MOST_HEADER_BYTES:,} bytes together."
            await _last(problem_answer(431, "The headers are too large", why))(scope, receive, send)
            return
        if {b"content-length", b"transfer-encoding"} <= {name for name, _ in scope["headers"]}:
            why = "A request has `Content-Length` or `Transfer-Encoding`, not both."
            await _last(problem_answer(400, "The request has two lengths", why))(scope, receive, send)
            return
        body = b"" if _announced(scope) > MOST_BYTES else await _read(receive)
        if body is None:
            return  # the caller has gone before the end of the request
        if _announced(scope) > MOST_BYTES or len(body) > MOST_BYTES:
            why = f"A body may have {MOST_BYTES:,} bytes at most."
            await _last(problem_answer(413, "The body is too large", why))(scope, receive, send)
            return
        try:
            check_json(body)
        except OutOfBounds as error:
            await problem_answer(422, "The request does not fit", f"The body has {error}.")(scope, receive, send)
            return
        await self._app(scope, _replayed(body, receive), send)


def _last(answer: Response) -> Response:
    """Return the answer as the last one of its connection, of which the rest is not read."""
    answer.headers["Connection"] = "close"
    return answer


def _header_bytes(scope: Scope) -> int:
    target = len(scope.get("raw_path") or scope["path"]) + len(scope["query_string"])
    return target + sum(len(name) + len(value) for name, value in scope["headers"])


def _announced(scope: Scope) -> int:
    """Return the length that the headers announce; 0 where they announce none."""
    lengths = [value for name, value in scope["headers"] if name == b"content-length"]
    return max((int(length) for length in lengths if length.isdigit() and len(length) < 20), default=0)


async def _read(receive: Receive) -> bytes | None:
    """Return the body, or its first bytes where there are more than ``MOST_BYTES``; None where the caller has gone."""
    body = bytearray()
    more = True
    while more and len(body) <= MOST_BYTES:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return bytes(body)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return a ``receive`` that yields ``body`` at once, and then what follows it: that the caller has gone."""
    read = False

    async def replay() -> Message:
        nonlocal read
        if read:
            return await receive()
        read = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
