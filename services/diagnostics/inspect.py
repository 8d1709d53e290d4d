"""Look at a service once, through ECS and the load balancer."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

from contracts.base import Target
from services._aws.errors import AwsError, answer_within
from services.diagnostics.domain.evidence import Evidence, NotObserved, Service, TargetHealth
from services.diagnostics.ports import Ecs, LoadBalancers

T = TypeVar("T")

READ_SECONDS = 15.0
"""Real seconds for one read of AWS; two in a row fit into the API's bound of 30."""


@dataclass(frozen=True, slots=True)
class Inspect:
    """The port ``Inspector``."""

    ecs: Ecs
    balancers: LoadBalancers

    async def __call__(self, target: Target) -> Evidence:
        service = await answer_within(READ_SECONDS, self.ecs.service(target))
        if isinstance(service, AwsError):
            raise service
        if service is None:
            return Evidence(None)
        stopped, targets = await asyncio.gather(
            _observed(self.ecs.stopped_tasks(target)), self._targets(target, service)
        )
        return Evidence(service, stopped, targets)

    async def _targets(self, target: Target, service: Service) -> tuple[TargetHealth, ...] | NotObserved | None:
        if not service.target_groups:
            return None
        return await _observed(self.balancers.targets(target, service.target_groups))


async def _observed(read: Awaitable[T]) -> T | NotObserved:
    """Return what was read, or why nothing was."""
    answer = await answer_within(READ_SECONDS, read)
    return NotObserved(str(answer)) if isinstance(answer, AwsError) else answer
