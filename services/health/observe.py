"""Look at a deployment once, through ECS and the load balancer."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

from contracts.base import Target
from services._aws.errors import AwsError, answer_within
from services.health.domain.observed import NotObserved, Rollout, Service, TargetHealth
from services.health.domain.watch.memory import Memory, Observed, lost
from services.health.ports import Ecs, LoadBalancers

T = TypeVar("T")

READ_SECONDS = 20.0
"""Real seconds for one read of AWS; what takes longer is unknown."""


@dataclass(frozen=True, slots=True)
class Observe:
    """The port ``Observer``."""

    ecs: Ecs
    balancers: LoadBalancers

    async def __call__(self, target: Target, memory: Memory, now: float) -> Observed:
        service = await answer_within(READ_SECONDS, self.ecs.service(target))
        if isinstance(service, AwsError):
            raise service
        if service is None:
            return Observed(None)
        targets, stopped, rollout = await asyncio.gather(
            targets_of(target, service, self.balancers),
            observed(self.ecs.stopped_tasks(target)),
            self._rollout(target, service, memory, now),
        )
        return Observed(
            service=service,
            targets=targets,
            stopped=() if isinstance(stopped, NotObserved) else stopped,  # failedTasks still counts them
            rollout=rollout,
        )

    async def _rollout(self, target: Target, service: Service, memory: Memory, now: float) -> Rollout | None:
        if memory.rollout is None or not lost(memory, service, now):
            return None
        found = await observed(self.ecs.rollout(target, memory.rollout))
        return None if isinstance(found, NotObserved) else found


async def observed(read: Awaitable[T]) -> T | NotObserved:
    """Return what was read, or why nothing was."""
    answer = await answer_within(READ_SECONDS, read)
    return NotObserved(str(answer)) if isinstance(answer, AwsError) else answer


async def targets_of(
    target: Target, service: Service, balancers: LoadBalancers
) -> tuple[TargetHealth, ...] | NotObserved | None:
    """Return the targets of all target groups of a service; None when it has no load balancer."""
    if not service.target_groups:
        return None
    return await observed(balancers.targets(target, service.target_groups))
