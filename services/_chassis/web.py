"""The application of a watched service, over HTTP: one client for every service that calls it.

It sends GET requests, and through no proxy: the application is tested, not what stands on the way.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urljoin, urlsplit, urlunsplit

import httpx2
from pydantic import SecretStr

from contracts.policy import Application


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


class Listener(Protocol):
    """A load balancer's listener that takes a service's requests."""

    @property
    def url(self) -> str: ...

    @property
    def host(self) -> str | None: ...


def address_of(application: Application, listener: Listener | None) -> Address | None:
    """Return where users reach an application: the URL of its policy, else its load balancer; None without both."""
    if application.url is not None:
        return Address(application.url, certified=True)
    return Address(listener.url, listener.host) if listener else None


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
        url = address.url.rstrip("/") + path
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
        headers={"user-agent": agent, "accept": "*/*"},
    )


def origin_of(url: str) -> tuple[str, str]:
    """Return the scheme, and the host with its port, of a URL."""
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _within_host(address: Address, url: str, response: httpx2.Response) -> str | None:
    """Return the URL that a redirect leads to; None when it leads nowhere or away from the host."""
    location = response.headers.get("location", "") if response.is_redirect else ""
    if not location:
        return None
    try:
        to = urlsplit(urljoin(url, location))
        if to.scheme not in {"http", "https"}:
            return None
        if to.hostname == address.host:
            return urlunsplit(to._replace(netloc=urlsplit(url).netloc))
        return urlunsplit(to) if to.hostname == urlsplit(url).hostname else None
    except ValueError:
        return None
