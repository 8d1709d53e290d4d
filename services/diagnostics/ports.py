"""What diagnostics needs from outside. When AWS does not answer, the methods raise ``AwsError`` with a sentence."""

from collections.abc import Sequence
from typing import Protocol

from contracts.base import Target
from services.diagnostics.domain.evidence import Evidence, Service, StoppedTask, TargetHealth


class Ecs(Protocol):
    """Every method raises ``AwsError``."""

    async def service(self, target: Target) -> Service | None:
        """Return the service, also while it is being deleted; None when it is not there."""
        ...

    async def stopped_tasks(self, target: Target) -> tuple[StoppedTask, ...]:
        """Return the service's tasks that stopped within the last hour or so, at most 100, newest first."""
        ...


class LoadBalancers(Protocol):
    async def targets(self, target: Target, groups: Sequence[str]) -> tuple[TargetHealth, ...]:
        """Return what is registered in the target groups with these ARNs. Raise ``AwsError``."""
        ...


class Inspector(Protocol):
    async def __call__(self, target: Target) -> Evidence:
        """Gather the evidence. Raise ``AwsError`` when not even ECS can be asked."""
        ...
