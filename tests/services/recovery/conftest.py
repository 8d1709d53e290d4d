"""Recovery over fakes, and its API."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from tests.services.recovery.harness import Recovery
from tests.services.recovery.web import client_of


@pytest.fixture
def recovery() -> Recovery:
    return Recovery()


@pytest.fixture
async def web(recovery: Recovery) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(recovery) as client:
        yield client
