"""All routes of recovery, over fakes."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, fields
from functools import cache, partial
from typing import Any

import httpx2
from fastapi import FastAPI

from contracts.base import Target
from services._aws.ecs_views import EcsService
from services._aws.existing import Existing
from services._chassis.http import PREFIX as ROOT
from services._chassis.http import Problem, create_http
from services._chassis.operations import Operations
from services._chassis.targets import Targets
from services.recovery.api.asked import Asked
from services.recovery.api.drill import DrillEndpoints
from services.recovery.api.migration import MigrationEndpoints
from services.recovery.api.moves import MovesEndpoints
from services.recovery.api.recreation import RecreationEndpoints
from services.recovery.api.rollback import RollbackEndpoints
from services.recovery.api.router import PREFIX, Endpoints, create_router
from services.recovery.api.scaling import ScalingEndpoints
from services.recovery.api.snapshot import SnapshotEndpoints
from services.recovery.take_turns import TakeTurns
from services.recovery.trace import Trace
from tests.kit import JSON, unhurried
from tests.services.recovery.harness import Recovery
from tests.services.recovery.movers import FakeMovers


class Present:
    """Stands for a part of what the present test has, since it takes long to make the routes."""

    def __init__(self, find: Callable[[], Any]) -> None:
        self._find = find

    def __getattr__(self, name: str) -> Any:
        return getattr(self._find(), name)


@dataclass
class Tested:
    """What the routes work on, which each test sets."""

    recovery: Any = None
    endpoints: Any = None


TESTED = Tested()
STORE: Any = Present(lambda: TESTED.recovery.store)
CLOCK: Any = Present(lambda: TESTED.recovery.clock)
POLICIES: Any = Present(lambda: TESTED.recovery.policies)
OPERATIONS = Operations(STORE, CLOCK, PREFIX)


def client_of(recovery: Recovery, existing: Existing | None = None) -> AbstractAsyncContextManager[httpx2.AsyncClient]:
    """Return a client whose paths begin behind ``/disaster-recovery``. ``existing``: by default what its ECS says.

    There is one at a time: the routes are made once for all tests.
    """

    async def there(target: Target) -> EcsService:
        found = await recovery.ecs.service(target)
        if found is None:
            raise Problem(404, "No such service", f"There is no service {target.service}.")
        return EcsService(found)

    TESTED.recovery, TESTED.endpoints = recovery, endpoints_of(recovery, existing or there)
    base = f"http://here{ROOT}{PREFIX}"
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=served()), base_url=base, headers=JSON)


@cache
def served() -> FastAPI:
    """Return the API over what the present test has."""

    async def ready() -> dict[str, str]:
        return {}

    areas: Any = {area.name: Present(partial(_area, area.name)) for area in fields(Endpoints)}
    http = create_http(ready, admission=unhurried())
    http.include_router(create_router(Endpoints(**areas), Targets(POLICIES)), prefix=ROOT)
    return http


def _area(name: str) -> Any:
    return getattr(TESTED.endpoints, name)


def endpoints_of(recovery: Recovery, there: Existing) -> Endpoints:
    asked, policies, store = Asked(recovery.store, OPERATIONS), recovery.policies, recovery.store
    inspect, assess = recovery.inspect, recovery.assess
    return Endpoints(
        snapshots=SnapshotEndpoints(OPERATIONS, policies, inspect, assess, there),
        rollbacks=RollbackEndpoints(asked, store, policies, inspect, assess, there),
        scaling=ScalingEndpoints(asked, policies, recovery.examiner, there),
        migration=MigrationEndpoints(
            asked, policies, recovery.planner, TakeTurns(store, policies, recovery.clock), there
        ),
        drill=DrillEndpoints(asked, policies, recovery.drill_examiner, recovery.examiner, there),
        recreation=RecreationEndpoints(asked, recovery.recreate, policies),
        moves=MovesEndpoints(Trace(recovery.ecs, FakeMovers(), store, recovery.clock), there, recovery.clock),
    )
