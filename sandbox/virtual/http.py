"""HTTP to the applications behind the load balancers, without a socket."""

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass

import httpx2

from sandbox.aws.http_answers import NotHttp, Request
from sandbox.aws.server.application import Application
from sandbox.aws.server.in_process import InProcessAws


@dataclass(frozen=True, slots=True)
class Entrance:
    """What is to be reached at one host and port."""

    application: Application
    secure: bool = False
    """Whether it speaks TLS."""
    certificate: str | None = None
    """The name that its certificate must be for; None where nobody looks: a load balancer is called by its own name."""


Address = tuple[str, int]
"""Host and port."""


class Transport(httpx2.AsyncBaseTransport):
    """A transport for httpx2's clients. An answer takes the application's time, by the loop's clock."""

    def __init__(self, entrances: Mapping[Address, Entrance], blobs: Mapping[str, bytes]) -> None:
        """``blobs``: digest → layer of an image, as ECR serves it."""
        self._entrances = entrances
        self._blobs = blobs

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path
        blob = self._blobs.get(path.rpartition("/blobs/")[2])
        if blob is not None:
            return _response(200, "application/octet-stream", blob)
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            application = self._reached(request).application
            answer = await application.respond(Request(request.method, path, headers, request.url.query.decode()))
        except NotHttp:
            raise httpx2.RemoteProtocolError("illegal status line", request=request) from None
        return _response(answer.status, answer.content_type, answer.body, answer.location)

    def _reached(self, request: httpx2.Request) -> Entrance:
        secure, host = request.url.scheme == "https", request.url.host
        port = request.url.port or (443 if secure else 80)
        found = self._entrances.get((host, port))
        if found is None:
            raise httpx2.ConnectError(f"nothing listens at {host}:{port}", request=request)
        if found.secure != secure:
            raise httpx2.ConnectError("[SSL: WRONG_VERSION_NUMBER] wrong version number", request=request)
        if found.certificate not in {None, request.extensions.get("sni_hostname", host)}:
            why = f"certificate verify failed: Hostname mismatch, certificate is not valid for '{host}'."
            raise httpx2.ConnectError(f"[SSL: CERTIFICATE_VERIFY_FAILED] {why}", request=request)
        return found


def transport_to(aws: InProcessAws) -> Transport:
    """Return a transport to every listener that can be reached from outside of the network."""
    entrances: dict[Address, Entrance] = {}
    for number, listening in enumerate(aws.listeners.all):
        if listening.internal:
            continue
        application, secure = aws.listeners.application(number), listening.certificate is not None
        entrances[listening.host, listening.port] = Entrance(application, secure)
        for name in listening.names:
            entrances[name, listening.port] = Entrance(application, secure, listening.certificate)
    return Transport(entrances, ChainMap(*(world.registry.blobs for world in aws.worlds.values())))


def _response(status: int, content_type: str, body: bytes, location: str = "") -> httpx2.Response:
    headers = {"content-type": content_type, "content-length": str(len(body))}
    if location:
        headers["location"] = location
    return httpx2.Response(status, headers=headers, stream=httpx2.ByteStream(body))
