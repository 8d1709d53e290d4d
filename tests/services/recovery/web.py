"""All routes of recovery, over fakes."""

from contextlib import AbstractAsyncContextManager

import httpx2

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
from services.recovery.trace import Trace
from tests.kit import JSON
from tests.services.recovery.harness import Recovery
from tests.services.recovery.movers import FakeMovers


def client_of(recovery: Recovery, existing: Existing | None = None) -> AbstractAsyncContextManager[httpx2.AsyncClient]:
    """Return a client whose paths begin behind ``/disaster-recovery``. ``existing``: by default what its ECS says."""

    async def ready() -> dict[str, str]:
        return {}

    async def there(target: Target) -> EcsService:
        found = await recovery.ecs.service(target)
        if found is None:
            raise Problem(404, "No such service", f"There is no service {target.service}.")
        return EcsService(found)

    http = create_http(ready)
    endpoints = endpoints_of(recovery, existing or there)
    http.include_router(create_router(endpoints, Targets(recovery.policies)), prefix=ROOT)
    base = f"http://here{ROOT}{PREFIX}"
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=http), base_url=base, headers=JSON)


def endpoints_of(recovery: Recovery, there: Existing) -> Endpoints:
    operations = Operations(recovery.store, recovery.clock, PREFIX)
    asked, policies, store = Asked(recovery.store, operations), recovery.policies, recovery.store
    inspect, assess = recovery.inspect, recovery.assess
    return Endpoints(
        snapshots=SnapshotEndpoints(operations, policies, inspect, assess, there),
        rollbacks=RollbackEndpoints(asked, store, policies, inspect, assess, there),
        scaling=ScalingEndpoints(asked, policies, recovery.examiner, there),
        migration=MigrationEndpoints(asked, policies, recovery.planner, there),
        drill=DrillEndpoints(asked, policies, recovery.drill_examiner, recovery.examiner, there),
        recreation=RecreationEndpoints(asked, recovery.recreate),
        moves=MovesEndpoints(Trace(recovery.ecs, FakeMovers(), store, recovery.clock), there, recovery.clock),
    )
