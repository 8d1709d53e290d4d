"""boto3's requests answered by a WSGI application in this very process: no socket, no thread, no waiting."""

import io
from collections.abc import Callable, Iterator
from typing import Any, Protocol
from urllib.parse import urlsplit

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError
from werkzeug.test import EnvironBuilder, run_wsgi_app

WsgiApplication = Callable[..., Any]
LINE = "sandbox.line"
"""The key of a WSGI environment under which a call in this process has its ``Line``."""


class HungUp(Exception):
    """The caller has waited as long as it does."""


class Cut(Exception):
    """The connection has ended without an answer."""


class Line(Protocol):
    """The connection of one call, as faults use it."""

    def wait(self, seconds: float) -> None:
        """Let the caller wait. Raise ``HungUp`` where it does not wait so long."""
        ...

    def cut(self) -> None:
        """End the connection without an answer."""
        ...

    def later(self, seconds: float, act: Callable[[], object]) -> None:
        """Do something although the caller has hung up."""
        ...


def answered_by(app: WsgiApplication, line: Line | None = None) -> Callable[..., AWSResponse]:
    """Return a handler of botocore's ``before-send`` that lets a WSGI application answer.

    Faults that take time, or end a connection, do so on ``line``.
    """

    def send(request: AWSPreparedRequest, **_: object) -> AWSResponse:
        parts = urlsplit(request.url)
        body: Any = request.body
        environ = EnvironBuilder(
            path=parts.path or "/",
            query_string=parts.query,
            base_url=f"{parts.scheme}://{parts.netloc}",
            method=request.method,
            # the body lies here as a whole, whatever it would be cut into on a wire
            headers=[(k, _text(v)) for k, v in request.headers.items() if k.lower() != "transfer-encoding"],
            data=body.read() if hasattr(body, "read") else body or b"",
        ).get_environ()
        if line is not None:
            environ[LINE] = line
        try:
            chunks, status, answered = run_wsgi_app(app, environ, buffered=True)
        except HungUp:
            raise ReadTimeoutError(endpoint_url=request.url) from None
        except Cut:
            raise ConnectionClosedError(endpoint_url=request.url) from None
        headers = HTTPHeaders()
        for name, value in answered:
            headers[name] = value
        return AWSResponse(request.url, int(status.split(" ", 1)[0]), headers, _Body(b"".join(chunks)))

    return send


class _Body(io.BytesIO):
    """A response's body with the methods of urllib3's."""

    def stream(self, amount: int = 65_536, **_: object) -> Iterator[bytes]:
        while chunk := self.read(amount):
            yield chunk


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
