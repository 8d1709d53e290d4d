"""What runs: its size, its price class, and what automatic scaling does with it."""

from dataclasses import dataclass
from datetime import UTC, datetime

from contracts.base import Target
from contracts.optimizer import FargateSize
from services._aws import ecs
from services._aws.ecs_views import EcsService
from services._aws.errors import AwsError, Missing, reading
from services._aws.task_definition import EcsTaskDefinition
from services._chassis.aws import Aws
from services.optimizer.domain.analysis import Deployed
from services.optimizer.domain.size import Resource
from services.optimizer.ports import NotSizable

_TRACKED: dict[str, Resource] = {
    "ECSServiceAverageCPUUtilization": "cpu",
    "ECSServiceAverageMemoryUtilization": "memory",
}

NEVER = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
"""It stands for the beginning of a deployment of which ECS does not say when it began: nothing is later."""
REVISIONS = 20
"""The most revisions that are compared; where the look-back has more, the size counts as changed."""


@dataclass(frozen=True, slots=True)
class AwsEcs:
    aws: Aws

    async def deployed(self, target: Target, since: float) -> Deployed:
        service = await self._service(target)
        if not service.on_fargate:
            raise NotSizable(f"{target.service} does not run on Fargate: its size is its instances' affair")
        definition = await self._definition(target, service)
        size = _size(definition)
        if size is None:
            raise NotSizable(f"the task definition of {target.service} has no size of its own")
        windows = definition.operating_system.startswith("WINDOWS")
        return Deployed(
            size=size,
            tasks=service.desired,
            architecture="ARM64" if definition.architecture == "ARM64" else "X86_64",
            on_demand=not windows and "FARGATE_SPOT" not in service.capacity_providers,
            tracked=await self._tracked(target),
            sized_at=await self._sized_at(target, service, definition, size, since),
        )

    async def _service(self, target: Target) -> EcsService:
        found = await ecs.find_service(self.aws, target)
        if isinstance(found, Missing):
            raise NotSizable(found.why)
        if found.being_deleted is not None:
            raise NotSizable(found.being_deleted)
        return found

    async def _definition(self, target: Target, service: EcsService) -> EcsTaskDefinition:
        if service.task_definition is None:
            raise NotSizable(f"{target.service} has no task definition of its own: its controller is EXTERNAL")
        found = await ecs.find_task_definition(self.aws, target, service.task_definition)
        if isinstance(found, Missing):
            raise NotSizable(found.why)
        return found

    async def _sized_at(
        self, target: Target, service: EcsService, definition: EcsTaskDefinition, size: FargateSize, since: float
    ) -> float | None:
        """Return when the present deployment began; None if all that may have run after ``since`` has its size.

        The revisions that were registered after ``since`` may have run, and the one before them.
        """
        if service.primary is None:
            return None
        began = NEVER if service.primary.created_at is None else service.primary.created_at
        if began <= since:
            return None
        revision = definition
        for number in range(definition.revision - 1, 0, -1):
            if revision.registered_at is None or definition.revision - number > REVISIONS:
                return began
            if revision.registered_at <= since:
                return None
            older = await self._revision(target, f"{definition.family}:{number}")
            if older is None or _size(older) != size:
                return began
            revision = older
        return None

    async def _revision(self, target: Target, name: str) -> EcsTaskDefinition | None:
        """Return a revision; None where its size cannot be known: it is gone, or ECS does not answer."""
        try:
            found = await ecs.find_task_definition(self.aws, target, name)
        except AwsError:
            return None
        return None if isinstance(found, Missing) else found

    async def _tracked(self, target: Target) -> frozenset[Resource]:
        with reading("Application Auto Scaling", "DescribeScalingPolicies"):
            policies = await self.aws.at(target).pages(
                "application-autoscaling",
                "describe_scaling_policies",
                "ScalingPolicies",
                ServiceNamespace="ecs",
                ResourceId=f"service/{target.cluster}/{target.service}",
            )
        names = {
            (
                (policy.get("TargetTrackingScalingPolicyConfiguration") or {}).get("PredefinedMetricSpecification")
                or {}
            ).get("PredefinedMetricType")
            for policy in policies
        }
        return frozenset(resource for name, resource in _TRACKED.items() if name in names)


def _size(definition: EcsTaskDefinition) -> FargateSize | None:
    if not definition.cpu or not definition.memory:
        return None
    return FargateSize(cpu=definition.cpu, memory=definition.memory)
