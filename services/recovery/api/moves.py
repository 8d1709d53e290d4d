"""HTTP in, HTTP out: who has changed a service."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from contracts.access import Role
from contracts.base import Target
from services._aws.existing import Existing
from services._chassis.access.permit import needs
from services._chassis.clock import Clock, moment
from services._chassis.http import Problem
from services._chassis.shared_reads import SharedReads
from services._chassis.targets import Targets
from services.recovery.domain.moves.view import Traced, view
from services.recovery.trace import Trace

MOST_TRACES = 4
"""How many services are looked at at a time: CloudTrail answers two look-ups a second, for everybody in the account."""
USUAL_HOURS = 24.0
MOST_HOURS = 90 * 24.0
"""CloudTrail's event history reaches back so far (user guide, "Viewing events with CloudTrail event history")."""


@dataclass(frozen=True, slots=True)
class MovesEndpoints:
    trace: Trace
    existing: Existing
    clock: Clock
    traces: SharedReads[Traced | None] = field(default_factory=lambda: SharedReads("services", MOST_TRACES))

    async def moves(self, target: Target, hours: float) -> Mapping[str, Any]:
        """Return who has changed the service. It is looked at once for all who wait."""
        await self.existing(target)
        since = self.clock.now() - hours * 3600
        found = await self.traces.read((target, hours), lambda: self.trace.traced(target, since))
        if found is None:
            raise Problem(404, "No such service", f"There is no service {target.service} any more.")
        return view(str(target), found, moment(self.clock.now()))


def add_moves_routes(router: APIRouter, endpoints: MovesEndpoints, targets: Targets) -> None:
    """Add the route about who has changed a service."""
    NamedInPath = Annotated[Target, Depends(targets.named_in_path)]  # noqa: N806  a type

    @router.get("/moves/{cluster_name}/{service_name}", dependencies=[needs(Role.VIEWER)])
    async def moves(
        target: NamedInPath, hours_back: Annotated[float, Query(gt=0, le=MOST_HOURS)] = USUAL_HOURS
    ) -> Mapping[str, Any]:
        """Show who changed version, desired count and scaling limits, the newest first, with evidence and sureness."""
        return await endpoints.moves(target, hours_back)
