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
        counted = next(iter(reach.counted()), None) if isinstance(reach, Reach) else None
        measurements, answers = await asyncio.gather(
            observed(self.metrics.measure(target, counted, self.clock.now())),
            self._answers(target, application, reach),
        )
        return Evidence(
            service=service,
            targets=targets,
            measurements=measurements,
            balanced=isinstance(reach, NotObserved) or counted is not None,
            health=answers[application.health_path],
            ready=answers[application.ready_path],
            endpoints={
                path: answer
                for path, answer in answers.items()
                if answer is not None and (path in application.endpoints or path not in _paths(application))
            },
        )

    async def _answers(
        self, target: Target, application: Application, reach: Reach | NotObserved
    ) -> Mapping[str, Answer | NotObserved | None]:
        """Return the application's answer under each path; None where users do not reach it there as we can."""
        paths = _paths(application)
        if application.url is not None:
            reach = Reach.at(application.url)
        if isinstance(reach, NotObserved):
            return dict.fromkeys(paths, reach)
        headers = await observed(self.applications.headers(target, application))
        asked = (*paths, *reach.own_paths(paths))
        answers = await asyncio.gather(*(self._answer(reach.to(path), path, headers) for path in asked))
        return dict(zip(asked, answers, strict=True))

    async def _answer(
        self, address: Address | Nowhere, path: str, headers: Mapping[str, SecretStr] | NotObserved
    ) -> Answer | NotObserved | None:
        if isinstance(address, Nowhere):
            return None
        if isinstance(headers, NotObserved):
            return headers
        with_secrets = address.with_secrets(headers)
        return None if with_secrets is None else await self.applications.get(with_secrets, path)


def _paths(application: Application) -> tuple[str, ...]:
    return tuple(dict.fromkeys((application.health_path, application.ready_path, *application.endpoints)))
