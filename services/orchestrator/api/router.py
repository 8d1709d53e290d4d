"""All of the orchestrator's routes."""

from dataclasses import dataclass

from fastapi import APIRouter

from services._chassis.targets import Targets
from services.orchestrator.api.holds import HoldEndpoints, add_hold_routes
from services.orchestrator.api.lists import add_list_routes
from services.orchestrator.api.run import RunEndpoints, add_run_routes
from services.orchestrator.ports import History


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What does the work of the routes, by area."""

    runs: RunEndpoints
    history: History
    holds: HoldEndpoints


def create_router(endpoints: Endpoints, targets: Targets) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix="/deployment-orchestration", tags=["deployment-orchestration"])
    add_run_routes(router, endpoints.runs, targets)
    add_list_routes(router, endpoints.history, targets)
    add_hold_routes(router, endpoints.holds, targets)
    return router
