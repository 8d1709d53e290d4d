"""Look at everything that a score rests on: ECS, the load balancer, CloudWatch and the application, at once."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import SecretStr

from contracts.base import Target
from contracts.policy import Application
from services._aws.reach import Nowhere, Reach
from services._chassis.clock import Clock
from services._chassis.web import Address
from services.health.domain.observed import Answer, Evidence, NotObserved, Service
from services.health.observe import observed, targets_of
from services.health.ports import Applications, Ecs, LoadBalancers, Metrics


@dataclass(frozen=True, slots=True)
class Examine:
    """The port ``Examiner``."""

    ecs: Ecs
    balancers: LoadBalancers
    metrics: Metrics
    applications: Applications
    clock: Clock

    async def __call__(self, target: Target, application: Application) -> Evidence:
        service = await observed(self.ecs.service(target))
        if not isinstance(service, Service):
            return Evidence(service, measurements=service or NotObserved("there is no service"))
        targets, reach = await asyncio.gather(
            targets_of(target, service, self.balancers), observed(self.balancers.reach(target, service.target_groups))
        )
        counted = reach.counted() if isinstance(reach, Reach) else None
        measurements, answers = await asyncio.gather(
            observed(self.metrics.measure(target, counted, self.clock.now())),
            self._answers(target, application, reach),
        )
        health, ready, *others = answers
        return Evidence(
            service=service,
            targets=targets,
            measurements=measurements,
            balanced=isinstance(reach, NotObserved) or counted is not None,
            health=health,
            ready=ready,
            endpoints={
                path: answer for path, answer in zip(application.endpoints, others, strict=True) if answer is not None
            },
        )

    async def _answers(
        self, target: Target, application: Application, reach: Reach | NotObserved
    ) -> list[Answer | NotObserved | None]:
        """Return the application's answers about its health, about its readiness, and from each endpoint."""
        paths = (application.health_path, application.ready_path, *application.endpoints)
        if application.url is not None:
            reach = Reach.at(application.url)
        if isinstance(reach, NotObserved):
            return [reach] * len(paths)
        headers = await observed(self.applications.headers(target, application))
        return await asyncio.gather(*(self._answer(reach.to(path), path, headers) for path in paths))

    async def _answer(
        self, address: Address | Nowhere, path: str, headers: Mapping[str, SecretStr] | NotObserved
    ) -> Answer | NotObserved | None:
        """Ask the application for a path; None where users do not reach it, or reach it by another way than we can."""
        if isinstance(address, Nowhere):
            return None
        if isinstance(headers, NotObserved):
            return headers
        with_secrets = address.with_secrets(headers)
        return None if with_secrets is None else await self.applications.get(with_secrets, path)
