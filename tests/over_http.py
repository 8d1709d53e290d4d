"""The routes of a service over HTTP, within the test's process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
from fastapi import APIRouter

from services._chassis.http import PREFIX, create_http


async def nothing_missing() -> dict[str, str]:
    """Say, as ``/readyz`` asks, that nothing is missing."""
    return {}


@asynccontextmanager
async def served(router: APIRouter) -> AsyncIterator[httpx2.AsyncClient]:
    """Yield a client of these routes, each under ``/api/v1``. Whoever asks is on this machine."""
    http = create_http(nothing_missing)
    http.include_router(router, prefix=PREFIX)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=http), base_url="http://surefoot") as client:
        yield client
