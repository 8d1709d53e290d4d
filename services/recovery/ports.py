"""What recovery needs of the outside. Each call may raise ``AwsError``."""

from typing import Any, Protocol

from contracts.base import Target
from services.recovery.domain.change import Body
from services.recovery.domain.snapshot import Snapshot


class Ecs(Protocol):
    """ECS, in its own words. Two of its verbs change something; whoever calls them has looked before."""

    async def service(self, target: Target) -> Body | None:
        """With its tags, also while it is being deleted (DRAINING); None if it is not there."""
        ...

    async def task_definition(self, target: Target, name: str) -> Body | None:
        """``family``, ``family:revision`` or an ARN, with its tags; None if ECS does not know it."""
        ...

    async def revisions(self, target: Target, family: str) -> list[Body]:
        """The newest ACTIVE task definitions of a family, the newest first, ten at most."""
        ...

    async def digests(self, target: Target, service: Body) -> dict[str, str]:
        """Container name → digest of the image that runs; what nobody knows is left out."""
        ...

    async def deployments(self, target: Target, since: float) -> list[Body]:
        """Service deployments created after ``since`` (epoch seconds), described, the newest first."""
        ...

    async def register(self, target: Target, body: Body) -> str:
        """Register a task definition and return its ARN."""
        ...

    async def update(self, target: Target, parameters: dict[str, Any]) -> Body:
        """UpdateService; returns the service."""
        ...


class Balancers(Protocol):
    async def healthy_targets(self, target: Target, service: Body) -> int | None:
        """Healthy targets of the service's target group that has the fewest; None if it has no group."""
        ...


class Surroundings(Protocol):
    async def around(self, target: Target, service: Body) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Load balancing, scaling and network; and a sentence for each part that AWS would not tell."""
        ...


class Images(Protocol):
    async def digest(self, target: Target, reference: str) -> str | None:
        """What ``repository:tag`` names now; None if its registry cannot be asked."""
        ...


class Snapshots(Protocol):
    """The backup bucket."""

    async def put(self, snapshot: Snapshot) -> bool:
        """Store it; False if one with this id is there already."""
        ...

    async def get(self, target: Target, snapshot_id: str) -> Snapshot | None: ...

    async def ids(self, target: Target) -> list[str]:
        """All that are stored for a target, the newest first."""
        ...

    async def delete(self, target: Target, snapshot_id: str) -> None: ...
