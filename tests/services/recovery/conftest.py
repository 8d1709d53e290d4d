"""Recovery over fakes, and its API."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from contracts.base import Target
from services._aws.ecs_views import EcsService
from services._chassis.http import PREFIX, Problem, create_http
from services._chassis.targets import Targets
from services.recovery.api import Endpoints, create_router
from tests.kit import JSON
from tests.services.recovery.harness import Recovery


@pytest.fixture
def recovery() -> Recovery:
    return Recovery()


@pytest.fixture
async def web(recovery: Recovery) -> AsyncIterator[httpx2.AsyncClient]:
    """Yield a client whose paths begin behind ``/disaster-recovery``."""

    async def ready() -> dict[str, str]:
        return {}

    async def existing(target: Target) -> EcsService:
        found = await recovery.ecs.service(target)
        if found is None:
            raise Problem(404, "No such service", f"There is no service {target.service}.")
        return EcsService(found)

    http = create_http(ready)
    looks = recovery.inspect, recovery.assess, existing, recovery.examiner
    endpoints = Endpoints(recovery.store, recovery.clock, recovery.policies, *looks)
    http.include_router(create_router(endpoints, Targets(recovery.policies)), prefix=PREFIX)
    base = f"http://here{PREFIX}/disaster-recovery"
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=http), base_url=base, headers=JSON) as client:
        yield client
