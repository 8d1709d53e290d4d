"""The port ``Examiner``: asks ECS, the load balancer, CloudWatch and the application, at the same time."""

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from contracts.base import Target
from services._aws.errors import AwsError, answer_within
from services._chassis.clock import Clock
from services.health.domain.observed import Answer, Evidence, PublicEndpoint, Service, TargetHealth, Unasked
from services.health.ports import Application, Ecs, LoadBalancers, Metrics

T = TypeVar("T")

PATIENCE_SECONDS = 20.0
"""Real seconds for one question; what takes longer is unknown."""


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
        targets, endpoint = await asyncio.gather(
            targets_of(target, service, self.balancers), self._endpoint(target, service)
        )
        known = endpoint if isinstance(endpoint, PublicEndpoint) else None
        (measurements, health, ready), answers = await asyncio.gather(
            asyncio.gather(
                asked(self.metrics.measure(target, known, self.clock.now())),
                self._get(target, endpoint, self.paths.health),
                self._get(target, endpoint, self.paths.ready),
            ),
            asyncio.gather(*(self._get(target, endpoint, path) for path in self.paths.endpoints)),
        )
        endpoints = zip(self.paths.endpoints, answers, strict=True)
        return Evidence(
            service=service,
            targets=targets,
            measurements=measurements,
            balanced=isinstance(endpoint, Unasked) or (known is not None and known.load_balancer is not None),
            health=health,
            ready=ready,
            endpoints={path: answer for path, answer in endpoints if answer is not None},
        )

    async def _endpoint(self, target: Target, service: Service) -> PublicEndpoint | Unasked | None:
        if not service.target_groups:
            return None
        return await asked(self.balancers.endpoint(target, service.target_groups))

    async def _get(
        self, target: Target, endpoint: PublicEndpoint | Unasked | None, path: str
    ) -> Answer | Unasked | None:
        configured = self.addresses.get(f"{target.cluster}/{target.service}")
        if configured is not None:
            return await self.application.get(configured, path)
        if not isinstance(endpoint, PublicEndpoint):
            return endpoint
        return await self.application.get(endpoint.url, path, endpoint.host)


async def asked(question: Awaitable[T]) -> T | Unasked:
    """Return the answer, or why there is none."""
    answer = await answer_within(PATIENCE_SECONDS, question)
    return Unasked(str(answer)) if isinstance(answer, AwsError) else answer


async def targets_of(
    target: Target, service: Service, balancers: LoadBalancers
) -> tuple[TargetHealth, ...] | Unasked | None:
    """Return the targets of all target groups of a service; None when it has no load balancer."""
    if not service.target_groups:
        return None
    return await asked(balancers.targets(target, service.target_groups))
