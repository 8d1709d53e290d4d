"""Applies fault rules to a call, in WSGI; and writes errors in AWS's protocols."""

import re
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from xml.sax.saxutils import escape  # it reads no XML # nosec B406

import orjson

from sandbox.aws.errors import AwsFault
from sandbox.aws.faults.rules import AFTER, Asked, FaultRules, fault_of
from sandbox.aws.inprocess import LINE, HungUp, Line
from sandbox.scenarios.harm import Kind

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Handle = Callable[[Environ, StartResponse], Iterable[bytes]]
Answer = tuple[str, list[tuple[str, str]], bytes]
"""Status line, headers, body."""

AMZ_JSON = "application/x-amz-json-1.1"
_CBOR = "application/cbor"
HANG_SECONDS = 60.0
"""Seconds after which a connection that hangs is cut: more than any caller waits."""
_KEPT_ANSWERS = 50
"""How many old answers of one request are kept for stale reads."""


@dataclass(frozen=True, slots=True)
class SocketLine:
    """The connection of a call that came over a socket; its time is real."""

    environ: Environ

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)

    def cut(self) -> None:
        line: socket.socket = self.environ["werkzeug.socket"]
        line.shutdown(socket.SHUT_RDWR)

    def later(self, seconds: float, act: Callable[[], object]) -> None:
        """Do nothing: a call that waits at a socket goes on by itself."""


class FaultInjection:
    """Handles calls by the rules in force."""

    def __init__(self, rules: FaultRules) -> None:
        self._rules = rules
        self._old: dict[tuple[str, bytes], deque[tuple[float, Answer]]] = {}

    def __call__(self, handle: Handle, call: Asked, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        rule = self._rules.of(call)
        if rule is None:
            return handle(environ, start)
        line = environ.get(LINE) or SocketLine(environ)
        if rule.kind is Kind.SLOW:
            return _slow(handle, environ, start, line, rule.delay)
        if rule.kind is Kind.STALE:
            return _send(start, self._stale(handle, call, environ, rule.delay))
        answer = _collect(handle, environ) if rule.kind in AFTER else None
        if answer is not None and rule.kind in {Kind.SLOW_AFTER, Kind.OMIT}:
            if rule.kind is Kind.SLOW_AFTER:
                line.wait(rule.delay)
            return _send(start, without(answer, rule.omits))
        if rule.kind is Kind.HANG:
            line.wait(HANG_SECONDS)
        if rule.kind in {Kind.RESET, Kind.RESET_AFTER, Kind.HANG}:
            line.cut()
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


def _slow(handle: Handle, environ: Environ, start: StartResponse, line: Line, seconds: float) -> Iterable[bytes]:
    """Handle a call only after so many seconds, also where the caller has hung up by then."""
    try:
        line.wait(seconds)
    except HungUp:
        line.later(seconds, partial(_collect, handle, environ))
        raise
    return handle(environ, start)


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


def without(answer: Answer, omitted: Sequence[str]) -> Answer:
    """Return an answer without these fields, wherever they stand in it."""
    status, headers, body = answer
    if not omitted:
        return answer
    try:
        body = orjson.dumps(_pruned(orjson.loads(body), set(omitted)))
    except orjson.JSONDecodeError:
        for name in omitted:
            body = re.sub(rf"<{name}>.*?</{name}>|<{name}/>".encode(), b"", body, flags=re.DOTALL)
    kept = [(name, value) for name, value in headers if name.lower() != "content-length"]
    return status, [*kept, ("Content-Length", str(len(body)))], body


def _pruned(value: Any, omitted: set[str]) -> Any:
    if isinstance(value, dict):
        return {name: _pruned(field, omitted) for name, field in value.items() if name not in omitted}
    return [_pruned(element, omitted) for element in value] if isinstance(value, list) else value


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
