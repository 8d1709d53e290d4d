"""The service as it runs: ECS, its load balancers, its images."""

from collections.abc import Sequence
from typing import Any, Protocol

from contracts.base import Target
from contracts.rollout_pace import RolloutPace
from services.recovery.domain.change import Body
from services.recovery.domain.outside.signs import ServiceTask
from services.recovery.domain.rollback.observed import Targets


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

    async def revision(self, target: Target, service: Body) -> Body:
        """Return the service revision of the version that ``service`` describes; an empty one where ECS tells none."""
        ...

    async def deployments(self, target: Target, since: float) -> list[Body]:
        """Return the descriptions of the service deployments created after ``since`` (epoch seconds), newest first."""
        ...

    async def service_revisions(self, target: Target, arns: Sequence[str]) -> list[Body]:
        """Return the descriptions of service revisions, 20 at most; those that ECS has forgotten are left out."""
        ...

    async def tasks(self, target: Target) -> list[ServiceTask]:
        """Return the service's tasks that run, and those that have stopped within the last hour or so."""
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


class Images(Protocol):
    async def digest(self, target: Target, reference: str) -> str | None:
        """Return the digest that ``repository:tag`` names now; None if its registry cannot be read in time.

        No error is raised.
        """
        ...
