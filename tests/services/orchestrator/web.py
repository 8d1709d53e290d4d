"""All routes of the orchestrator, over fakes."""

from fastapi import APIRouter

from contracts.base import Target
from services._chassis.targets import Targets
from services.orchestrator.api.holds import HoldEndpoints
from services.orchestrator.api.router import Endpoints, create_router
from services.orchestrator.api.run import RunEndpoints
from services.orchestrator.domain.listing import Filters, ServiceLine
from services.orchestrator.domain.view import RunView
from services.orchestrator.handlers import Handlers
from services.orchestrator.ports import Page
from services.orchestrator.settings import Settings
from tests.kit import there
from tests.services.orchestrator.harness import TARGET, FixedPolicies, World

SETTINGS = Settings(aws_account=TARGET.account, aws_region=TARGET.region)


class NoHistory:
    """Nothing is listed."""

    async def runs(self, filters: Filters, since: float, cursor: str | None, limit: int) -> Page:
        return Page((), None)

    async def ids(self, prefix: str) -> tuple[str, ...]:
        return ()

    async def unfinished(self, target: Target) -> tuple[RunView, ...]:
        return ()

    async def overview(self) -> tuple[ServiceLine, ...]:
        return ()


def routes(world: World, policies: FixedPolicies, handlers: Handlers | None = None) -> APIRouter:
    """Return the routes. Without ``handlers`` they have those policies, too."""
    handlers = handlers or Handlers(world, world.clock, policies, 300)
    runs = RunEndpoints(SETTINGS, world, world.clock, handlers, NoHistory(), there)
    holds = HoldEndpoints(world, world.clock, policies, handlers)
    return create_router(Endpoints(runs, NoHistory(), holds), Targets(policies))
