"""Look at everything that a score rests on: ECS, the load balancer, CloudWatch and the application, at once."""

import asyncio
from dataclasses import dataclass, replace

from contracts.base import Target
from contracts.policy import Application
from services._chassis.clock import Clock
from services._chassis.web import Address, address_of
from services.health.domain.observed import Answer, Evidence, NotObserved, PublicEndpoint, Service
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
        targets, endpoint = await asyncio.gather(
            targets_of(target, service, self.balancers), self._endpoint(target, service)
        )
        known = endpoint if isinstance(endpoint, PublicEndpoint) else None
        measurements, answers = await asyncio.gather(
            observed(self.metrics.measure(target, known, self.clock.now())),
            self._answers(target, application, endpoint),
        )
        health, ready, *others = answers
        return Evidence(
            service=service,
            targets=targets,
            measurements=measurements,
            balanced=isinstance(endpoint, NotObserved) or (known is not None and known.load_balancer is not None),
            health=health,
            ready=ready,
            endpoints={
                path: answer for path, answer in zip(application.endpoints, others, strict=True) if answer is not None
            },
        )

    async def _endpoint(self, target: Target, service: Service) -> PublicEndpoint | NotObserved | None:
        if not service.target_groups:
            return None
        return await observed(self.balancers.endpoint(target, service.target_groups))

    async def _answers(
        self, target: Target, application: Application, endpoint: PublicEndpoint | NotObserved | None
    ) -> list[Answer | NotObserved | None]:
        """Return the application's answers about its health, about its readiness, and from each endpoint."""
        paths = (application.health_path, application.ready_path, *application.endpoints)
        address = await self._address(target, application, endpoint)
        if not isinstance(address, Address):
            return [address] * len(paths)
        return await asyncio.gather(*(self.applications.get(address, path) for path in paths))

    async def _address(
        self, target: Target, application: Application, endpoint: PublicEndpoint | NotObserved | None
    ) -> Address | NotObserved | None:
        """Return the application's address with the headers to send; None where it has no address."""
        address = address_of(application, endpoint if isinstance(endpoint, PublicEndpoint) else None)
        if address is None:
            return endpoint if isinstance(endpoint, NotObserved) else None
        headers = await observed(self.applications.headers(target, application))
        return headers if isinstance(headers, NotObserved) else replace(address, headers=headers)
