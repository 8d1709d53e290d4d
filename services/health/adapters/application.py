"""The port ``Applications`` over HTTP: a GET without a body, a bounded answer, no redirects followed."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import httpx2
from pydantic import SecretStr

from contracts.base import Target
from contracts.bounds import read_json
from contracts.policy import Application
from services._aws.secrets import Secrets
from services._chassis.web import Address, Web, body_of, leads_away
from services.health.domain.observed import Answer, NotObserved

AGENT = "surefoot-health"
ANSWER_SECONDS = 10.0
"""Real seconds for the whole of one request."""
CONNECT_SECONDS = 5.0
"""Real seconds for a connection: without one nothing is known of the application."""
MOST_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class HttpApplications:
    web: Web
    secrets: Secrets

    async def headers(self, target: Target, application: Application) -> Mapping[str, SecretStr]:
        return await self.secrets.headers(target, application)

    async def get(self, address: Address, path: str) -> Answer | NotObserved | None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._get(address, path)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            if address.internal:
                return None
            return NotObserved(f"no connection to the application ({type(error).__name__})")
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError):
            return Answer(None)

    async def _get(self, address: Address, path: str) -> Answer | None:
        async with self.web.get(address, path, connect=CONNECT_SECONDS) as response:
            if leads_away(address, response):
                return None
            body = await body_of(response, MOST_BYTES)
        return Answer(response.status_code, _document(body))


def _document(body: bytes | None) -> object:
    if body is None:
        return None
    try:
        document: object = read_json(body, MOST_BYTES)
    except ValueError:
        return None
    return document
