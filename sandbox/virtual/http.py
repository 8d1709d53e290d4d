"""HTTP to the applications behind the load balancers, without a socket."""

from collections.abc import Mapping

import httpx2

from sandbox.aws.server.application import Application, Request


class Transport(httpx2.AsyncBaseTransport):
    """A transport for httpx2's clients. An answer takes the application's time, by the loop's clock."""

    def __init__(self, applications: Mapping[int, Application], blobs: Mapping[str, bytes]) -> None:
        """``applications``: port → application. ``blobs``: digest → layer of an image, as ECR serves it."""
        self._applications = applications
        self._blobs = blobs

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path
        blob = self._blobs.get(path.rpartition("/blobs/")[2])
        if blob is not None:
            return _response(200, "application/octet-stream", blob)
        application = self._applications.get(request.url.port or 80)
        if application is None:
            raise httpx2.ConnectError(f"nothing listens at {request.url.host}:{request.url.port}", request=request)
        headers = {name.lower(): value for name, value in request.headers.items()}
        answer = await application.respond(Request(request.method, path, headers))
        return _response(answer.status, answer.content_type, answer.body)


def _response(status: int, content_type: str, body: bytes) -> httpx2.Response:
    headers = {"content-type": content_type, "content-length": str(len(body))}
    return httpx2.Response(status, headers=headers, stream=httpx2.ByteStream(body))
