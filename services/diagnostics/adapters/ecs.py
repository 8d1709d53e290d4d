"""The port ``Ecs``: what the kit reads of ECS, as diagnostics sees it.

Task definitions and overrides, where the environment is, are not read.
"""

from dataclasses import dataclass

from contracts.base import Target
from services._aws import ecs
from services._aws.ecs_task import EcsTask
from services._aws.ecs_views import EcsService
from services._aws.errors import Missing
from services._chassis.aws import Aws
from services.diagnostics.domain.evidence import Container, Deployment, Service, ServiceEvent, StoppedTask


@dataclass(frozen=True, slots=True)
class AwsEcs:
    aws: Aws

    async def service(self, target: Target) -> Service | None:
        found = await ecs.find_service(self.aws, target)
        return None if isinstance(found, Missing) else _service(found)

    async def stopped_tasks(self, target: Target) -> tuple[StoppedTask, ...]:
        return tuple(map(_stopped, reversed(await ecs.stopped_tasks(self.aws, target))))


def _service(found: EcsService) -> Service:
    return Service(
        desired=found.desired,
        running=found.running,
        pending=found.pending,
        deployments=tuple(
            Deployment(
                id=deployment.id,
                status=deployment.status,
                task_definition=deployment.task_definition,
                failed_tasks=deployment.failed_tasks,
                rollout_state=deployment.rollout_state,
                reason=deployment.reason,
            )
            for deployment in found.deployments
        ),
        # an event without a time is history
        events=tuple(ServiceEvent(event.created_at or 0.0, event.message) for event in found.events),
        target_groups=found.target_groups,
        being_deleted=found.being_deleted,
    )


def _stopped(found: EcsTask) -> StoppedTask:
    return StoppedTask(
        arn=found.arn,
        deployment_id=found.deployment_id,
        stopped_at=found.stopped_at or 0.0,
        stop_code=found.stop_code,
        reason=found.reason,
        failed=found.failed,
        containers=tuple(Container(ended.name, ended.exit_code, ended.reason) for ended in found.containers),
    )
