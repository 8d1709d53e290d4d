"""The port ``Inspector``: asks ECS and the load balancer, at the same time."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

from contracts.base import Target
from services.diagnostics.domain.evidence import Evidence, Service, TargetHealth, Unasked
from services.diagnostics.ports import Ecs, LoadBalancers, Unavailable

T = TypeVar("T")

PATIENCE_SECONDS = 15.0
"""Real seconds for one question; two in a row fit into the API's bound of 30."""


@dataclass(frozen=True, slots=True)
class Inspection:
    ecs: Ecs
    balancers: LoadBalancers

    async def inspect(self, target: Target) -> Evidence:
        service = await asked(self.ecs.service(target))
        if isinstance(service, Unasked):
            raise Unavailable(service.why)
        if service is None:
            return Evidence(None)
        stopped, targets = await asyncio.gather(asked(self.ecs.stopped_tasks(target)), self._targets(service))
        return Evidence(service, stopped, targets)

    async def _targets(self, service: Service) -> tuple[TargetHealth, ...] | Unasked | None:
        if not service.target_groups:
            return None
        groups = await asyncio.gather(*(asked(self.balancers.targets(group)) for group in service.target_groups))
        unseen = next((group for group in groups if isinstance(group, Unasked)), None)
        return unseen or tuple(one for group in groups if not isinstance(group, Unasked) for one in group)


async def asked(question: Awaitable[T]) -> T | Unasked:
    """Return the answer, or why there is none."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await question
    except Unavailable as error:
        return Unasked(str(error))
    except TimeoutError:
        return Unasked(f"no answer within {PATIENCE_SECONDS:g} s")
