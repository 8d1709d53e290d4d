"""ECS: reads descriptions with the kit (``services._aws``), and makes the two calls that change a service."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from contracts.base import Target
from contracts.rollout_pace import RolloutPace
from services._aws import ecs
from services._aws.ecs_task import EcsTask
from services._aws.ecs_views import EcsService
from services._aws.errors import AwsError, Missing, changing
from services._aws.measure_pace import measure_pace
from services._aws.versions import last_completed_version
from services._chassis.aws import Aws
from services.recovery.domain.change import Body, values_of
from services.recovery.domain.outside.signs import ServiceTask

REVISIONS = 10
"""How many task definitions of a family are compared with a new one."""


@dataclass(frozen=True, slots=True)
class AwsEcs:
    aws: Aws

    async def service(self, target: Target) -> Body | None:
        found = await ecs.find_service(self.aws, target, tags=True)
        return None if isinstance(found, Missing) else found.body

    async def task_definition(self, target: Target, name: str) -> Body | None:
        found = await ecs.find_task_definition(self.aws, target, name, tags=True)
        return None if isinstance(found, Missing) else found.body

    async def revisions(self, target: Target, family: str) -> list[Body]:
        return [found.body for found in await ecs.newest_revisions(self.aws, target, family, REVISIONS)]

    async def digests(self, target: Target, service: Body) -> dict[str, str]:
        return await ecs.image_digests(self.aws, target, EcsService(service))

    async def way_back(self, target: Target, service: Body) -> tuple[Body, dict[str, str]]:
        try:
            version = await last_completed_version(self.aws, target, EcsService(service))
        except AwsError:
            version = Missing("which version was completed last is not known")
        if isinstance(version, Missing):
            return service, await self.digests(target, service)
        return version.service.body, version.digests

    async def revision(self, target: Target, service: Body) -> Body:
        return await ecs.current_revision(self.aws, target, EcsService(service))

    async def deployments(self, target: Target, since: float) -> list[Body]:
        return [found.body for found in await ecs.service_deployments(self.aws, target, since)]

    async def service_revisions(self, target: Target, arns: Sequence[str]) -> list[Body]:
        return await ecs.service_revisions(self.aws, target, arns)

    async def tasks(self, target: Target) -> list[ServiceTask]:
        running = await ecs.list_tasks(self.aws, target, "RUNNING")
        stopped = await ecs.stopped_tasks(self.aws, target)
        return [*map(_task, running), *map(_task, stopped)]

    async def pace(self, target: Target, service: Body, task_definition: Body) -> RolloutPace:
        return await measure_pace(self.aws, target, EcsService(service), task_definition)

    async def register(self, target: Target, body: Body) -> str:
        with changing("ECS", "RegisterTaskDefinition", secrets=values_of(body)):
            answer = await self.aws.at(target).call("ecs", "register_task_definition", **body)
        return str(answer["taskDefinition"]["taskDefinitionArn"])

    async def update(self, target: Target, parameters: dict[str, Any]) -> Body:
        # all else that UpdateService takes are names, percentages and counts
        logs = (parameters.get("serviceConnectConfiguration") or {}).get("logConfiguration") or {}
        with changing("ECS", "UpdateService", secrets=values_of(logs)):
            answer = await self.aws.at(target).call(
                "ecs", "update_service", cluster=target.cluster, service=target.service, **parameters
            )
        service: Body = answer["service"]
        return service


def _task(task: EcsTask) -> ServiceTask:
    return ServiceTask(
        deployment_id=task.deployment_id,
        zone=task.zone,
        stopped_at=task.stopped_at,
        failed=task.ended_by_itself,
        exited=task.exited,
        taken_back=task.taken_back,
        stopped_by_somebody=task.stopped_by_somebody,
    )
