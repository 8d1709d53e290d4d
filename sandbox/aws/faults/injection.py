"""Applies fault rules to a call, in WSGI; and writes errors in AWS's protocols."""

import socket
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any
from xml.sax.saxutils import escape

import orjson

from sandbox.aws.errors import AwsFault
from sandbox.aws.faults.rules import AFTER, Asked, FaultRules, Kind, fault_of

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Handle = Callable[[Environ, StartResponse], Iterable[bytes]]
Answer = tuple[str, list[tuple[str, str]], bytes]
"""Status line, headers, body."""

AMZ_JSON = "application/x-amz-json-1.1"
_CBOR = "application/cbor"
_KEPT_ANSWERS = 50
"""How many old answers of one request are kept for stale reads."""


class FaultInjection:
    """Handles calls by the rules in force."""

    def __init__(self, rules: FaultRules) -> None:
        self._rules = rules
        self._old: dict[tuple[str, bytes], deque[tuple[float, Answer]]] = {}

    def __call__(self, handle: Handle, call: Asked, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        rule = self._rules.of(call)
        if rule is None:
            return handle(environ, start)
        if rule.kind is Kind.SLOW:
            time.sleep(rule.delay)
            return handle(environ, start)
        if rule.kind is Kind.STALE:
            return _send(start, self._stale(handle, call, environ, rule.delay))
        answer = _collect(handle, environ) if rule.kind in AFTER else None
        if rule.kind is Kind.SLOW_AFTER and answer is not None:
            time.sleep(rule.delay)
            return _send(start, answer)
        if rule.kind in {Kind.RESET, Kind.RESET_AFTER}:
            line: socket.socket = environ["werkzeug.socket"]
            line.shutdown(socket.SHUT_RDWR)
            return []
        return answer_fault(environ, start, fault_of(rule.kind, call, query=speaks_query(environ)))

    def _stale(self, handle: Handle, call: Asked, environ: Environ, age: float) -> Answer:
        """Answer and keep the answer, but return the latest answer that is at least ``age`` old, or else the oldest."""
        where = f"{call.account}/{call.region} {call.operation}"
        asked = f"{where} {environ.get('PATH_INFO', '')}?{environ.get('QUERY_STRING', '')}"
        question = (asked, _body(environ))
        answer, now = _collect(handle, environ), time.monotonic()
        kept = self._old.setdefault(question, deque(maxlen=_KEPT_ANSWERS))
        kept.append((now, answer))
        old = [answer for at, answer in kept if now - at >= age]
        return old[-1] if old else kept[0][1]


def respond(start: StartResponse, status: int, body: bytes, content_type: str, **headers: str) -> Iterable[bytes]:
    """Send a whole response."""
    reason = "OK" if status == 200 else "Error"
    more = [(name.replace("_", "-"), value) for name, value in headers.items()]
    start(f"{status} {reason}", [("Content-Type", content_type), ("Content-Length", str(len(body))), *more])
    return [body]


def answer_fault(environ: Environ, start: StartResponse, fault: AwsFault) -> Iterable[bytes]:
    """Send an error in the protocol of the call: JSON 1.1, CBOR, or XML."""
    if environ.get("HTTP_SMITHY_PROTOCOL"):
        body = _cbor({"__type": f"com.amazonaws#{fault.code}", "message": fault.message})
        return respond(start, fault.status, body, _CBOR, smithy_protocol="rpc-v2-cbor")
    if "json" in str(environ.get("CONTENT_TYPE")):
        return respond(start, fault.status, orjson.dumps({"__type": fault.code, "message": fault.message}), AMZ_JSON)
    error = f"<Error><Type>Sender</Type><Code>{fault.code}</Code><Message>{escape(fault.message)}</Message></Error>"
    if speaks_query(environ):
        error = f"<ErrorResponse>{error}<RequestId>0</RequestId></ErrorResponse>"
    return respond(start, fault.status, error.encode(), "text/xml")


def speaks_query(environ: Environ) -> bool:
    return "x-www-form-urlencoded" in str(environ.get("CONTENT_TYPE"))


def _collect(handle: Handle, environ: Environ) -> Answer:
    head: list[tuple[str, list[tuple[str, str]]]] = []
    body = b"".join(handle(environ, lambda status, headers, *_: head.append((status, headers))))
    return (*head[-1], body)


def _send(start: StartResponse, answer: Answer) -> Iterable[bytes]:
    status, headers, body = answer
    start(status, headers)
    return [body]


def _body(environ: Environ) -> bytes:
    """Return the request's body, which the caller has made readable again."""
    stream = environ["wsgi.input"]
    if not int(environ.get("CONTENT_LENGTH") or 0):
        return b""
    body: bytes = stream.read(int(environ.get("CONTENT_LENGTH") or 0))
    stream.seek(0)
    return body


def _cbor(texts: dict[str, str]) -> bytes:
    """Return a map of short texts as CBOR (RFC 8949, major types 5 and 3)."""

    def text(value: str) -> bytes:
        data = value.encode()[:255]
        head = bytes([0x60 + len(data)]) if len(data) < 24 else bytes([0x78, len(data)])
        return head + data

    return bytes([0xA0 + len(texts)]) + b"".join(text(name) + text(value) for name, value in texts.items())
