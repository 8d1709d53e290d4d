"""boto3's requests answered by a WSGI application in this very process: no socket, no thread, no waiting."""

import io
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from werkzeug.test import EnvironBuilder, run_wsgi_app

WsgiApplication = Callable[..., Any]


def answered_by(app: WsgiApplication) -> Callable[..., AWSResponse]:
    """Return a handler of botocore's ``before-send`` that lets a WSGI application answer."""

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
        chunks, status, answered = run_wsgi_app(app, environ, buffered=True)
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
