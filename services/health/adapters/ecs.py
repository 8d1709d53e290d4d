"""The port ``Ecs``: what the kit reads of ECS, as health sees it."""

from dataclasses import dataclass

from contracts.base import Target
from services._aws import ecs
from services._aws.ecs_deployments import EcsDeployment
from services._aws.ecs_task import EcsTask
from services._aws.ecs_views import EcsService
from services._aws.errors import Missing
from services._chassis.aws import Aws
from services.health.domain.observed import Deployment, Rollout, Service, StoppedTask


@dataclass(frozen=True, slots=True)
class AwsEcs:
    aws: Aws

    async def service(self, target: Target) -> Service | None:
        found = await ecs.find_service(self.aws, target)
        return None if isinstance(found, Missing) else _service(found)

    async def stopped_tasks(self, target: Target) -> tuple[StoppedTask, ...]:
        return tuple(map(_stopped, await ecs.stopped_tasks(self.aws, target)))

    async def rollout(self, target: Target, arn: str) -> Rollout | None:
        found = await ecs.find_service_deployment(self.aws, target, arn)
        return None if isinstance(found, Missing) else Rollout(found.status, found.reason)


def _service(found: EcsService) -> Service:
    return Service(
        desired=found.desired,
        running=found.running,
        deployments=tuple(map(_deployment, found.deployments)),
        events=tuple(event.message for event in found.events),
        target_groups=found.target_groups,
        rollout=found.current_deployment,
        being_deleted=found.being_deleted,
    )


def _deployment(found: EcsDeployment) -> Deployment:
    return Deployment(
        id=found.id,
        status=found.status,
        task_definition=found.task_definition,
        desired=found.desired,
        running=found.running,
        failed_tasks=found.failed_tasks,
        rollout_state=found.rollout_state,
        reason=found.reason,
    )


def _stopped(found: EcsTask) -> StoppedTask:
    reasons = (found.reason, *(container.reason for container in found.containers if container.reason))
    return StoppedTask(
        arn=found.arn,
        deployment_id=found.deployment_id,
        stop_code=found.stop_code,
        reason="; ".join(dict.fromkeys(reasons)),
        failed=found.failed,
        exit_codes=tuple(ended.exit_code for ended in found.containers if ended.exit_code is not None),
    )
