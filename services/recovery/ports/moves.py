"""Who has changed a service."""

from typing import Protocol

from contracts.base import Target
from services.recovery.domain.change import Body
from services.recovery.domain.moves.facts import Activity, Deployed
from services.recovery.domain.moves.trail import Trail


class Stacks(Protocol):
    async def stack(self, target: Target, name: str) -> str:
        """Return the status of a stack of CloudFormation; empty where there is none of this name."""
        ...


class Movers(Stacks, Protocol):
    """What shows who has changed a service. Nothing here is needed for any decision."""

    async def deployed(self, target: Target, service: Body, since: float) -> tuple[Deployed, ...]:
        """Return the deployments that began after ``since`` (epoch seconds), the oldest first."""
        ...

    async def activities(self, target: Target, since: float) -> tuple[Activity, ...]:
        """Return the newest scaling activities since then."""
        ...

    async def limits(self, target: Target) -> tuple[int, int] | None:
        """Return the limits of the service's scalable target; None if it has none."""
        ...

    async def trail(self, target: Target, service: Body, since: float) -> Trail:
        """Return the calls that CloudTrail tells, of all services of the account and region. No error is raised."""
        ...
