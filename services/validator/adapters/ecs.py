"""Reads services and task definitions of ECS."""

from dataclasses import dataclass

from contracts.base import Target
from services._aws import ecs
from services._aws.ecs_views import EcsService
from services._aws.errors import AwsError, Missing
from services._aws.task_definition import EcsTaskDefinition
from services._chassis.aws import Aws
from services.validator.domain.facts import Absent, Balancer, LiveService, TaskDefinition, Unknown
from services.validator.domain.manifest import Platform

_ARCHITECTURES = {"X86_64": "amd64", "ARM64": "arm64"}


@dataclass(frozen=True, slots=True)
class AwsEcs:
    aws: Aws

    async def service(self, target: Target) -> LiveService | Absent | Unknown:
        try:
            found = await ecs.find_service(self.aws, target)
        except AwsError as error:
            return Unknown(str(error))
        if isinstance(found, Missing):
            return Absent(found.why)
        if found.being_deleted is not None:
            return Absent(found.being_deleted)
        return _live(found)

    async def task_definition(self, target: Target, name: str) -> TaskDefinition | Absent | Unknown:
        try:
            found = await ecs.find_task_definition(self.aws, target, name)
        except AwsError as error:
            return Unknown(str(error))
        if isinstance(found, Missing):
            return Absent(found.why)
        return TaskDefinition(
            found.arn,
            found.active,
            _platform(found),
            found.images,
            family=found.family,
            task_role=found.task_role,
            execution_role=found.execution_role,
            network_mode=found.network_mode,
            launch_types=found.launch_types,
            ports=found.ports,
        )


def _live(found: EcsService) -> LiveService:
    return LiveService(
        task_definition=found.task_definition,
        target_groups=found.target_groups,
        deployment_id=found.primary.id if found.primary else None,
        rolling_out=found.rolling_out,
        controller=found.controller,
        strategy=found.strategy,
        daemon=found.is_daemon,
        desired=found.body.get("desiredCount"),
        minimum_percent=found.minimum_percent,
        maximum_percent=found.maximum_percent,
        launch_type=found.launch_type,
        # Fargate has none without: where it is left out there, it is not known
        has_network=bool(found.subnets) if found.subnets or not found.on_fargate else None,
        balancers=tuple(Balancer(entry.container, entry.port, entry.group) for entry in found.balancers),
    )


def _platform(found: EcsTaskDefinition) -> Platform:
    windows = found.operating_system.startswith("WINDOWS")
    architecture = _ARCHITECTURES.get(found.architecture, found.architecture.lower())
    return Platform("windows" if windows else "linux", architecture)
