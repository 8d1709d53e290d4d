"""The port ``Observer``: one look at a deployment through ECS and the load balancer."""

import asyncio
from dataclasses import dataclass

from contracts.base import Target
from services._aws.errors import AwsError, answer_within
from services.health.adapters.examination import PATIENCE_SECONDS, asked, targets_of
from services.health.domain.observed import Rollout, Service, Unasked
from services.health.domain.watch import Memory, Observed, lost
from services.health.ports import Ecs, LoadBalancers


@dataclass(frozen=True, slots=True)
class Observation:
    ecs: Ecs
    balancers: LoadBalancers

    async def observe(self, target: Target, memory: Memory, now: float) -> Observed:
        service = await answer_within(PATIENCE_SECONDS, self.ecs.service(target))
        if isinstance(service, AwsError):
            raise service
        if service is None:
            return Observed(None)
        targets, stopped, rollout = await asyncio.gather(
            targets_of(target, service, self.balancers),
            asked(self.ecs.stopped_tasks(target)),
            self._rollout(target, service, memory, now),
        )
        return Observed(
            service=service,
            targets=targets,
            stopped=() if isinstance(stopped, Unasked) else stopped,  # failedTasks still counts them
            rollout=rollout,
        )

    async def _rollout(self, target: Target, service: Service, memory: Memory, now: float) -> Rollout | None:
        if memory.rollout is None or not lost(memory, service, now):
            return None
        found = await asked(self.ecs.rollout(target, memory.rollout))
        return None if isinstance(found, Unasked) else found
