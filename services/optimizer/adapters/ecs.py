"""What runs: its size, its price class, and what automatic scaling does with it."""

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from contracts.base import Target
from contracts.optimizer import FargateSize
from services._chassis.aws import Aws
from services.optimizer.adapters.failures import asking, code
from services.optimizer.domain.analysis import Deployed
from services.optimizer.domain.size import Resource
from services.optimizer.ports import NotSizable, Unavailable

_TRACKED: dict[str, Resource] = {
    "ECSServiceAverageCPUUtilization": "cpu",
    "ECSServiceAverageMemoryUtilization": "memory",
}

REVISIONS = 20
"""How many are compared at most; with more in the look-back nobody knows."""


@dataclass(frozen=True, slots=True)
class EcsServices:
    aws: Aws

    async def deployed(self, target: Target, since: float) -> Deployed:
        service = await self._service(target)
        providers = {one.get("capacityProvider") for one in service.get("capacityProviderStrategy") or ()}
        if service.get("launchType") != "FARGATE" and not providers & {"FARGATE", "FARGATE_SPOT"}:
            raise NotSizable(f"{target.service} does not run on Fargate: its size is its instances' affair")
        name = service.get("taskDefinition")
        definition = await self._definition(name) if name else None
        size = _size(definition)
        if definition is None or size is None:
            raise NotSizable(f"the task definition of {target.service} has no size of its own")
        platform = definition.get("runtimePlatform") or {}
        windows = str(platform.get("operatingSystemFamily", "LINUX")).startswith("WINDOWS")
        return Deployed(
            size=size,
            tasks=service["desiredCount"],
            architecture="ARM64" if platform.get("cpuArchitecture") == "ARM64" else "X86_64",
            on_demand=not windows and "FARGATE_SPOT" not in providers,
            tracked=await self._tracked(target),
            sized_at=await self._sized_at(service, definition, size, since),
        )

    async def _service(self, target: Target) -> dict[str, Any]:
        with asking("ECS", "DescribeServices"):
            try:
                answer = await self.aws.call(
                    "ecs", "describe_services", cluster=target.cluster, services=[target.service]
                )
            except ClientError as error:
                if code(error) == "ClusterNotFoundException":
                    raise NotSizable(f"there is no cluster {target.cluster}") from error
                raise
        services = answer.get("services", [])
        if services and services[0].get("status") == "ACTIVE":
            service: dict[str, Any] = services[0]
            return service
        reasons = {str(failure.get("reason")) for failure in answer.get("failures", [])}
        if reasons - {"MISSING"}:
            raise Unavailable(f"ECS could not describe {target.service}: {', '.join(sorted(reasons))}")
        raise NotSizable(f"there is no active service {target.service} in the cluster {target.cluster}")

    async def _definition(self, name: str) -> dict[str, Any]:
        with asking("ECS", "DescribeTaskDefinition"):
            answer = await self.aws.call("ecs", "describe_task_definition", taskDefinition=name)
        found: dict[str, Any] = answer["taskDefinition"]
        return found

    async def _sized_at(
        self, service: dict[str, Any], definition: dict[str, Any], size: FargateSize, since: float
    ) -> float | None:
        """Return when the present deployment began, unless all that may have run after ``since`` had its size.

        What may have run: the revisions registered after ``since``, and the one before them.
        """
        primary = next((one for one in service.get("deployments", ()) if one.get("status") == "PRIMARY"), None)
        if primary is None or (began := float(primary["createdAt"].timestamp())) <= since:
            return None
        revision: dict[str, Any] = definition
        for number in range(definition["revision"] - 1, 0, -1):
            registered = revision.get("registeredAt")
            if registered is None or definition["revision"] - number > REVISIONS:
                return began
            if registered.timestamp() <= since:
                return None
            try:
                revision = await self._definition(f"{definition['family']}:{number}")
            except Unavailable:
                return began  # deregistered and gone: nobody knows
            if _size(revision) != size:
                return began
        return None

    async def _tracked(self, target: Target) -> frozenset[Resource]:
        with asking("Application Auto Scaling", "DescribeScalingPolicies"):
            policies = await self.aws.pages(
                "application-autoscaling",
                "describe_scaling_policies",
                "ScalingPolicies",
                ServiceNamespace="ecs",
                ResourceId=f"service/{target.cluster}/{target.service}",
            )
        names = {
            (policy.get("TargetTrackingScalingPolicyConfiguration") or {})
            .get("PredefinedMetricSpecification", {})
            .get("PredefinedMetricType")
            for policy in policies
        }
        return frozenset(resource for name, resource in _TRACKED.items() if name in names)


def _size(definition: dict[str, Any] | None) -> FargateSize | None:
    if definition is None or not definition.get("cpu") or not definition.get("memory"):
        return None
    return FargateSize(cpu=int(definition["cpu"]), memory=int(definition["memory"]))
