"""What diagnostics needs of the world."""

from typing import Protocol

from contracts.base import Target
from services.diagnostics.domain.evidence import Evidence, Service, StoppedTask, TargetHealth


class Unavailable(Exception):
    """Somebody could not be asked; the text says who, in words without secrets."""


class Ecs(Protocol):
    """Every method raises ``Unavailable``."""

    async def service(self, target: Target) -> Service | None:
        """Return the service; None when there is no such active service."""
        ...

    async def stopped_tasks(self, target: Target) -> tuple[StoppedTask, ...]:
        """Return the service's tasks that stopped within the last hour or so, at most 100, newest first."""
        ...


class LoadBalancers(Protocol):
    async def targets(self, group: str) -> tuple[TargetHealth, ...]:
        """Return what is registered in the target group with this ARN. Raise ``Unavailable``."""
        ...


class Inspector(Protocol):
    async def inspect(self, target: Target) -> Evidence:
        """Gather the evidence. Raise ``Unavailable`` when not even ECS can be asked."""
        ...
