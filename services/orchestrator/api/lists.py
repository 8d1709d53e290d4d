"""HTTP in, HTTP out: several runs or services at once."""

from typing import Annotated

from fastapi import APIRouter, Query

from contracts.access import Role
from contracts.base import Name, Time
from contracts.deployment import Outcome
from services._chassis.access.permit import About, NowAsking, needs
from services._chassis.http import Problem
from services._chassis.targets import Account, InRegion, Targets
from services.orchestrator.bodies import Deployments, Overview, Text
from services.orchestrator.domain.listing import Filters
from services.orchestrator.ports import History


def add_list_routes(router: APIRouter, history: History, targets: Targets) -> None:
    """Add the routes that show several runs or services."""

    @router.get("/deployments", dependencies=[needs(Role.VIEWER, About.SOME_SERVICE)])
    async def deployments(
        *,
        asking: NowAsking,
        cluster_name: Annotated[Name | None, Query()] = None,
        service_name: Annotated[Name | None, Query()] = None,
        account: Account = None,
        region: InRegion = None,
        outcome: Outcome | None = None,
        actor: Text | None = None,
        since: Annotated[Time | None, Query(description="Runs that were asked for at or after it.")] = None,
        cursor: Annotated[str | None, Query(max_length=200, description="An earlier answer's.")] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> Deployments:
        """List runs, the latest first. Each is kept for a month. Those of services that the caller may not look at are
        left out, so that a part of the list may be short.
        """
        service = None
        if (cluster_name is None) != (service_name is None):
            raise Problem(422, "Which service?", "Name both the cluster and the service, or neither.")
        if cluster_name is not None and service_name is not None:
            service = targets.find(asking, cluster_name, service_name, account, region, begins=False)
        filters = Filters(service, outcome, actor)
        try:
            page = await history.runs(filters, since.timestamp() if since else 0.0, cursor, limit)
        except ValueError as error:
            raise Problem(422, "No such page", f"{error}.") from error
        runs = tuple(run for run in page.runs if asking.sees(run.target))
        return Deployments(deployments=runs, cursor=page.cursor)

    @router.get("/overview", dependencies=[needs(Role.VIEWER, About.SOME_SERVICE)])
    async def overview(asking: NowAsking) -> Overview:
        """Show each service that the caller may look at: its runs, whether it is armed, open alerts, health score."""
        found = await history.overview()
        return Overview(services=tuple(line for line in found if asking.sees(line.target)))
