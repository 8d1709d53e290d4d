"""The port ``Examiner``: asks ECS, the load balancer, CloudWatch and the application, at the same time."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from contracts.base import Target
from services._chassis.clock import Clock
from services.health.adapters.patience import asked, targets_of
from services.health.domain.observed import Answer, Evidence, Front, Service, Unasked
from services.health.ports import Application, Ecs, LoadBalancers, Metrics


@dataclass(frozen=True, slots=True)
class Paths:
    """Where the application tells of itself."""

    health: str
    ready: str
    endpoints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Examination:
    ecs: Ecs
    balancers: LoadBalancers
    metrics: Metrics
    application: Application
    clock: Clock
    paths: Paths
    addresses: Mapping[str, str]
    """``cluster/service`` → base URL, for those whose load balancer's own address does not do."""

    async def examine(self, target: Target) -> Evidence:
        service = await asked(self.ecs.service(target))
        if not isinstance(service, Service):
            return Evidence(service, measurements=service or Unasked("there is no service"))
        targets, front = await asyncio.gather(targets_of(service, self.balancers), self._front(service))
        known = front if isinstance(front, Front) else None
        (measurements, health, ready), answers = await asyncio.gather(
            asyncio.gather(
                asked(self.metrics.measure(target, known, self.clock.now())),
                self._get(target, front, self.paths.health),
                self._get(target, front, self.paths.ready),
            ),
            asyncio.gather(*(self._get(target, front, path) for path in self.paths.endpoints)),
        )
        endpoints = zip(self.paths.endpoints, answers, strict=True)
        return Evidence(
            service=service,
            targets=targets,
            measurements=measurements,
            balanced=isinstance(front, Unasked) or (known is not None and known.load_balancer is not None),
            health=health,
            ready=ready,
            endpoints={path: answer for path, answer in endpoints if answer is not None},
        )

    async def _front(self, service: Service) -> Front | Unasked | None:
        """Return the first target group's front; further ones belong to the same tasks."""
        if not service.target_groups:
            return None
        return await asked(self.balancers.front(service.target_groups[0]))

    async def _get(self, target: Target, front: Front | Unasked | None, path: str) -> Answer | Unasked | None:
        configured = self.addresses.get(f"{target.cluster}/{target.service}")
        if configured is not None:
            return await asked(self.application.get(configured, path))
        if not isinstance(front, Front):
            return front
        return await asked(self.application.get(front.url, path))
