"""What health needs of the world."""

from typing import Protocol

from contracts.base import Target
from services.health.domain.observed import (
    Answer,
    Evidence,
    Front,
    Measurements,
    Rollout,
    Service,
    StoppedTask,
    TargetHealth,
)
from services.health.domain.watch import Memory, Observed


class Unavailable(Exception):
    """Somebody could not be asked; the text says who, in words without secrets."""


class Ecs(Protocol):
    """Every method raises ``Unavailable``."""

    async def service(self, target: Target) -> Service | None:
        """Return the service; None when there is no such active service."""
        ...

    async def stopped_tasks(self, target: Target) -> tuple[StoppedTask, ...]:
        """Return the service's tasks that stopped within the last hour or so, at most 100, oldest first."""
        ...

    async def rollout(self, arn: str) -> Rollout | None:
        """Return how a service deployment went; None when ECS has forgotten it."""
        ...


class LoadBalancers(Protocol):
    """Every method raises ``Unavailable``."""

    async def targets(self, group: str) -> tuple[TargetHealth, ...]:
        """Return the health of what is registered in the target group with this ARN."""
        ...

    async def front(self, group: str) -> Front | None:
        """Return the listener that forwards to the target group; None when none does."""
        ...


class Metrics(Protocol):
    async def measure(self, target: Target, front: Front | None, now: float) -> Measurements:
        """Return the last five full minutes before ``now`` (epoch seconds). Raise ``Unavailable``."""
        ...


class Application(Protocol):
    async def get(self, base: str, path: str) -> Answer:
        """Ask the application. Raise ``Unavailable`` when no connection comes about."""
        ...


class Examiner(Protocol):
    """Looks at everything that a score rests on. It never raises: what cannot be seen is ``Unasked``."""

    async def examine(self, target: Target) -> Evidence: ...


class Observer(Protocol):
    async def observe(self, target: Target, memory: Memory, now: float) -> Observed:
        """Take one look at the deployment that ``memory`` is about. Raise ``Unavailable`` without ECS."""
        ...
