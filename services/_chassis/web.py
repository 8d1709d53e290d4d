"""The application of a watched service, over HTTP: one client for every service that calls it.

It sends GET requests, and through no proxy: the application is tested, not what stands on the way.
"""

import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Self, cast
from urllib.parse import SplitResult, urljoin, urlsplit, urlunsplit

import httpx2
from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class Address:
    """The address to which requests to an application are sent."""

    url: str
    """``http://host:port``; a URL of the policy may have a path."""
    host: str | None = None
    """The Host header that the load balancer's rule asks for."""
    certified: bool = False
    """Whether the host's certificate is checked: not where a load balancer is called by its own name,
    which no certificate of its owner carries."""
    headers: Mapping[str, SecretStr] = field(default_factory=dict)
    """Headers that are sent to this scheme, host and port only."""
    query: str = ""
    """``key=value&…`` that the load balancer's rule asks for, besides a path's own query."""
    internal: str = ""
    """The name of the internal load balancer that this is: it may be out of reach from here. Empty for any other."""

    def with_secrets(self, secrets: Mapping[str, SecretStr]) -> Self | None:
        """Return the address with these headers, too; None where they may not be sent there.

        They are not sent over TLS to whoever answers with any certificate.
        """
        if secrets and self.url.startswith("https:") and not self.certified:
            return None
        return replace(self, headers={**self.headers, **secrets})

    def to(self, path: str) -> str:
        """Return the URL of a path."""
        url = self.url.rstrip("/") + path
        return f"{url}{'&' if '?' in path else '?'}{self.query}" if self.query else url


class Web:
    """Sends the requests, each over a new connection, so that no attempt fails because of an earlier one."""

    def __init__(self, agent: str, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self._certified, self._by_own_name = (_client(agent, verify, transport) for verify in (True, False))

    @asynccontextmanager
    async def get(
        self, address: Address, path: str, *, redirects: int = 0, connect: float | None = None
    ) -> AsyncIterator[httpx2.Response]:
        """Send a GET request, and yield the response with its body still unread.

        At most ``redirects`` redirects are followed, within the host; a further redirect, or a redirect to another
        host, is the response itself. ``connect`` bounds the time for a connection, in real seconds; the whole is for
        the caller to bound. Raise httpx2's errors, whose texts may quote the other side.
        """
        url = address.to(path)
        for left in range(redirects, -1, -1):
            async with self._send(address, url, connect) as response:
                onward = _within_host(address, url, response) if left else None
                if onward is None:
                    yield response
                    return
            url = onward

    def _send(self, address: Address, url: str, connect: float | None) -> AbstractAsyncContextManager[httpx2.Response]:
        client = self._certified if address.certified else self._by_own_name
        headers = {"host": address.host} if address.host else {}
        if origin_of(url) == origin_of(address.url):
            headers |= {name: value.get_secret_value() for name, value in address.headers.items()}
        extensions = {"sni_hostname": address.host} if address.host else {}
        timeout = httpx2.Timeout(None, connect=connect)
        return client.stream("GET", url, headers=headers, extensions=extensions, timeout=timeout)

    async def close(self) -> None:
        await self._certified.aclose()
        await self._by_own_name.aclose()


def _client(agent: str, verify: bool, transport: httpx2.AsyncBaseTransport | None) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        transport=transport,
        verify=verify,
        trust_env=False,
        follow_redirects=False,
        limits=httpx2.Limits(max_connections=64, max_keepalive_connections=0),
        headers={"user-agent": agent, "accept": "*/*", "accept-encoding": "gzip"},
    )


async def body_of(response: httpx2.Response, most_bytes: int) -> bytes | None:
    """Read a body. Return None where it is larger, also once inflated, or in another encoding than gzip.

    httpx2 would inflate each chunk whole, a gigabyte included.
    """
    raw = bytearray()
    async for chunk in cast("httpx2.AsyncByteStream", response.stream):
        raw += chunk
        if len(raw) > most_bytes:
            return None
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding in {"identity", ""}:
        return bytes(raw)
    return _gunzipped(bytes(raw), most_bytes) if encoding == "gzip" else None


def _gunzipped(data: bytes, most_bytes: int) -> bytes | None:
    inflating = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        body = inflating.decompress(data, most_bytes + 1)
    except zlib.error:
        return None
    return body if inflating.eof and len(body) <= most_bytes else None


def origin_of(url: str) -> tuple[str, str]:
    """Return the scheme, and the host with its port, of a URL."""
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def leads_away(address: Address, response: httpx2.Response) -> bool:
    """Return whether a response is a redirect to another host, such as a login: it is no answer of the application."""
    to = _redirect(address.url, response)
    return to is not None and to.hostname not in {address.host, urlsplit(address.url).hostname}


def _within_host(address: Address, url: str, response: httpx2.Response) -> str | None:
    """Return the URL that a redirect leads to; None when it leads nowhere or away from the host."""
    to = _redirect(url, response)
    if to is None:
        return None
    if to.hostname == address.host:
        return urlunsplit(to._replace(netloc=urlsplit(url).netloc))
    return urlunsplit(to) if to.hostname == urlsplit(url).hostname else None


def _redirect(url: str, response: httpx2.Response) -> SplitResult | None:
    """Return the HTTP URL that a redirect names; None where it names none."""
    location = response.headers.get("location", "") if response.is_redirect else ""
    try:
        to = urlsplit(urljoin(url, location))
    except ValueError:
        return None
    return to if location and to.scheme in {"http", "https"} and to.hostname else None
