"""The ports of recovery. Each call may raise ``AwsError``."""

from typing import Any, Protocol

from contracts.base import Target
from contracts.rollout_pace import RolloutPace
from services.recovery.domain.change import Body
from services.recovery.domain.roll_back import Targets
from services.recovery.domain.snapshot import Snapshot


class Ecs(Protocol):
    """ECS, as its API describes it. ``register`` and ``update`` change something: their callers look first."""

    async def service(self, target: Target) -> Body | None:
        """Return the service with its tags, also while it is being deleted (DRAINING); None if it does not exist."""
        ...

    async def task_definition(self, target: Target, name: str) -> Body | None:
        """Return a task definition with its tags, by ``family``, ``family:revision`` or ARN; None if there is none."""
        ...

    async def revisions(self, target: Target, family: str) -> list[Body]:
        """Return the newest ACTIVE task definitions of a family, ten at most, the newest first."""
        ...

    async def digests(self, target: Target, service: Body) -> dict[str, str]:
        """Return container name → digest of the image that runs, without those whose digest is unknown."""
        ...

    async def way_back(self, target: Target, service: Body) -> tuple[Body, dict[str, str]]:
        """Return the service as its last completed version had it, and the digests of that version's images.

        That is the service as it is where it is completed, never was, or where ECS does not tell.
        """
        ...

    async def deployments(self, target: Target, since: float) -> list[Body]:
        """Return the descriptions of the service deployments created after ``since`` (epoch seconds), newest first."""
        ...

    async def pace(self, target: Target, service: Body, task_definition: Body) -> RolloutPace:
        """Return how fast the service rolls this task definition out."""
        ...

    async def register(self, target: Target, body: Body) -> str:
        """Register a task definition and return its ARN."""
        ...

    async def update(self, target: Target, parameters: dict[str, Any]) -> Body:
        """Call UpdateService and return the service."""
        ...


class Balancers(Protocol):
    async def targets(self, target: Target, service: Body) -> Targets | None:
        """Return the targets of the service's target groups; None if it has no group."""
        ...


class Surroundings(Protocol):
    async def around(self, target: Target, service: Body) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Return load balancing, scaling and network, and a sentence for each part that could not be read."""
        ...


class Images(Protocol):
    async def digest(self, target: Target, reference: str) -> str | None:
        """Return the digest that ``repository:tag`` names now; None if its registry cannot be read."""
        ...


class Snapshots(Protocol):
    """The backup bucket."""

    async def put(self, snapshot: Snapshot) -> bool:
        """Store a snapshot; return False if one with this id is stored already."""
        ...

    async def get(self, target: Target, snapshot_id: str) -> Snapshot | None: ...

    async def ids(self, target: Target) -> list[str]:
        """Return the ids of all snapshots that are stored for a target, the newest first."""
        ...

    async def delete(self, target: Target, snapshot_id: str) -> None: ...
