"""The port ``Observer``: one look at a deployment through ECS and the load balancer."""

import asyncio
from dataclasses import dataclass

from contracts.base import Target
from services.health.adapters.patience import asked, targets_of
from services.health.domain.observed import Rollout, Service, Unasked
from services.health.domain.watch import Memory, Observed, lost
from services.health.ports import Ecs, LoadBalancers, Unavailable


@dataclass(frozen=True, slots=True)
class Observation:
    ecs: Ecs
    balancers: LoadBalancers

    async def observe(self, target: Target, memory: Memory, now: float) -> Observed:
        service = await asked(self.ecs.service(target))
        if isinstance(service, Unasked):
            raise Unavailable(service.why)
        if service is None:
            return Observed(None)
        targets, stopped, rollout = await asyncio.gather(
            targets_of(service, self.balancers),
            asked(self.ecs.stopped_tasks(target)),
            self._rollout(service, memory, now),
        )
        return Observed(
            service=service,
            targets=targets,
            stopped=() if isinstance(stopped, Unasked) else stopped,  # failedTasks still counts them
            rollout=rollout,
        )

    async def _rollout(self, service: Service, memory: Memory, now: float) -> Rollout | None:
        if memory.rollout is None or not lost(memory, service, now):
            return None
        found = await asked(self.ecs.rollout(memory.rollout))
        return None if isinstance(found, Unasked) else found
