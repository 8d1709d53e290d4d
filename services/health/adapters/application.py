"""The port ``Application`` over HTTP: a GET without a body, a bounded answer, no redirects followed."""

import asyncio
import json

import httpx2

from services.health.domain.observed import Answer, Unasked

ANSWER_SECONDS = 10.0
"""Real seconds for the whole of one request."""
MOST_BYTES = 65_536


class HttpApplication:
    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def get(self, base: str, path: str, host: str | None = None) -> Answer | Unasked:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._get(base.rstrip("/") + path, host)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError) as error:
            return Unasked(f"no connection to the application ({type(error).__name__})")
        except (httpx2.TransportError, TimeoutError):
            return Answer(None)

    async def _get(self, url: str, host: str | None) -> Answer:
        headers = {"host": host} if host else {}
        extensions = {"sni_hostname": host} if host else {}
        async with self._client.stream("GET", url, headers=headers, extensions=extensions) as response:
            body = b""
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MOST_BYTES:
                    return Answer(response.status_code)
        return Answer(response.status_code, _document(body))


def _document(body: bytes) -> object:
    try:
        return json.loads(body)
    except ValueError:
        return None


def client(transport: httpx2.AsyncBaseTransport | None = None) -> httpx2.AsyncClient:
    """Return a client with its bounds; whoever asks for it closes it."""
    return httpx2.AsyncClient(
        transport=transport,
        timeout=httpx2.Timeout(ANSWER_SECONDS, connect=5.0),
        limits=httpx2.Limits(max_connections=32),
        headers={"user-agent": "surefoot-health"},
        follow_redirects=False,
    )
