"""The tested service, over real HTTP."""

import asyncio
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit, urlunsplit

import httpx2

from services.validator.domain.judge import Answered, Attempt, Silent
from services.validator.ports import Address

BODY_BYTES = 256 * 1024
"""How much of an answer is read; it is thrown away, its arrival counts."""
REDIRECTS = 3
HEADERS = {"user-agent": "surefoot-validator/1", "accept": "*/*"}


def client(*, certified: bool, transport: httpx2.AsyncBaseTransport | None = None) -> httpx2.AsyncClient:
    """A client that takes a new connection for each attempt, so that no attempt inherits another's trouble.

    Certificates are not looked at where a load balancer is called by its own name, which is in no certificate
    of its owner; the name comes from AWS, and the requests carry no secret.
    """
    return httpx2.AsyncClient(
        transport=transport,
        verify=certified,
        trust_env=False,  # what is tested is the service, not a proxy on the way
        follow_redirects=False,
        limits=httpx2.Limits(max_connections=64, max_keepalive_connections=0),
        timeout=None,  # each attempt as a whole has one
        headers=HEADERS,
    )


@dataclass(frozen=True, slots=True)
class WireHttp:
    """``certified`` for hosts whose certificate has to be right, ``plain`` for the others."""

    certified: httpx2.AsyncClient
    plain: httpx2.AsyncClient

    async def get(self, address: Address, path: str, timeout: float) -> Attempt:  # noqa: ASYNC109  it is a bound of the port
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            async with asyncio.timeout(timeout):
                status = await self._status(address, address.url + path)
        except TimeoutError:
            return Silent(f"no answer in {timeout:g} s")
        except httpx2.ConnectError:
            return Silent("no connection")
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            return Silent(f"no answer: {type(error).__name__}")  # its text may quote what the other side sent
        return Answered(status, clock() - began)

    async def _status(self, address: Address, url: str) -> int:
        """The status of the last answer; a redirect to another host, or one too many, is an answer itself."""
        web = self.certified if address.certified else self.plain
        headers = {"host": address.host} if address.host else {}
        extensions = {"sni_hostname": address.host} if address.host else {}
        status = 0
        for _ in range(REDIRECTS + 1):
            async with web.stream("GET", url, headers=headers, extensions=extensions) as response:
                await _drain(response)
                status = response.status_code
                location = response.headers.get("location", "") if response.is_redirect else ""
            onward = _within_host(address, url, location)
            if onward is None:
                break
            url = onward
        return status


def _within_host(address: Address, url: str, location: str) -> str | None:
    """Where a redirect leads, or None when it leads nowhere or away from the host."""
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


async def _drain(response: httpx2.Response) -> None:
    read = 0
    async for chunk in response.aiter_raw():
        read += len(chunk)
        if read > BODY_BYTES:
            return
