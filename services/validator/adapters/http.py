"""Sends requests to the tested service over HTTP."""

import asyncio
from dataclasses import dataclass

import httpx2

from services._chassis.web import Address, Web, leads_away
from services.validator.domain.results import Answered, Attempt, Silent, Unreachable

AGENT = "surefoot-validator/1"
BODY_BYTES = 256 * 1024
"""How much of an answer's body is read. It is discarded: only the time until it has arrived counts."""
CONNECT_SECONDS = 5.0
"""Real seconds for a connection: without one nothing is known of the application."""
REDIRECTS = 3


@dataclass(frozen=True, slots=True)
class WireHttp:
    web: Web

    async def get(self, address: Address, path: str, timeout: float) -> Attempt:  # noqa: ASYNC109  the port's signature
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            async with (
                asyncio.timeout(timeout),
                self.web.get(address, path, redirects=REDIRECTS, connect=CONNECT_SECONDS) as response,
            ):
                await _drain(response)
        except TimeoutError:
            return Silent(f"no answer in {timeout:g} s")
        except (httpx2.ConnectError, httpx2.ConnectTimeout):
            return Unreachable(_no_connection(address), internal=bool(address.internal))
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            return Silent(f"no answer: {type(error).__name__}")  # the error's text may quote what was received
        return Answered(response.status_code, clock() - began, leads_away(address, response))


def _no_connection(address: Address) -> str:
    return f"no connection to the internal load balancer {address.internal}" if address.internal else "no connection"


async def _drain(response: httpx2.Response) -> None:
    read = 0
    async for chunk in response.aiter_raw():
        read += len(chunk)
        if read > BODY_BYTES:
            return
