"""An ECS service with its CloudWatch dimensions."""

from dataclasses import dataclass

from contracts.base import Target
from services._aws import ecs
from services._aws.ecs_views import EcsService
from services._aws.errors import Missing
from services._aws.load_balancers import find_counted
from services._aws.reach import target_group_dimension
from services._chassis.aws import Aws
from services.monitor.domain.alarms import AlarmScope
from services.monitor.domain.metrics import WatchedService
from services.monitor.ports import NotFound


@dataclass(frozen=True, slots=True)
class AwsEcs:
    aws: Aws

    async def watched(self, target: Target, known: WatchedService | None) -> WatchedService:
        return await self._watched(target, await self._service(target), known)

    async def alarm_scope(self, target: Target) -> AlarmScope:
        service = await self._service(target)
        found = await self._watched(target, service, None)
        return AlarmScope(target.cluster, target.service, found.load_balancer, found.target_group, service.alarm_names)

    async def _service(self, target: Target) -> EcsService:
        found = await ecs.find_service(self.aws, target)
        if isinstance(found, Missing):
            raise NotFound(found.why)
        return found

    async def _watched(self, target: Target, service: EcsService, known: WatchedService | None) -> WatchedService:
        balancer, group = await self._balancer(target, service, known)
        return WatchedService(
            cluster=target.cluster,
            service=target.service,
            load_balancer=balancer,
            target_group=group,
            wanted=service.desired,
            running=service.running,
            created_at=service.created_at or 0.0,  # a service of unknown age does not count as new
        )

    async def _balancer(
        self, target: Target, service: EcsService, known: WatchedService | None
    ) -> tuple[str | None, str | None]:
        """Return the load balancer and target group through which users reach the service, if they count requests.

        Network load balancers count none, so for our rules a service behind one has no load balancer.
        """
        groups = service.target_groups
        if known and known.balanced and known.target_group in {target_group_dimension(group) for group in groups}:
            return known.load_balancer, known.target_group
        found = await find_counted(self.aws, target, groups)
        return (found.load_balancer, found.target_group) if found else (None, None)
