"""Application Auto Scaling, and what more tasks need besides ECS: addresses, and room in the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from contracts.base import Target
from services._aws.cloudwatch import Metric, read_series
from services._aws.errors import changing, reading
from services._chassis.aws import Aws
from services._chassis.clock import Clock
from services.recovery.domain.scaling.load import Load
from services.recovery.domain.scaling.scale_plan import Autoscaler, DatabaseRoom

DIMENSION = "ecs:service:DesiredCount"
LOOK_BACK = 5 * 60.0
"""Seconds of which the database's points are read: CloudWatch shows them minutes late."""
LOAD_BACK = 3 * 3600.0
"""Seconds of which the tasks' points are read: as long as a version may be to blame, and the hour before it."""
SCALES = frozenset({"TargetTrackingScaling", "StepScaling", "PredictiveScaling"})


@dataclass(frozen=True, slots=True)
class AwsAutoscaling:
    aws: Aws

    async def autoscaler(self, target: Target) -> Autoscaler | None:
        aws, resource = self.aws.at(target), _resource(target)
        where = {"ServiceNamespace": "ecs", "ResourceId": resource}
        with reading("Application Auto Scaling", "what scales the service"):
            targets = await aws.pages(
                "application-autoscaling",
                "describe_scalable_targets",
                "ScalableTargets",
                ServiceNamespace="ecs",
                ResourceIds=[resource],
            )
            found = [each for each in targets if each.get("ScalableDimension", DIMENSION) == DIMENSION]
            if not found:
                return None
            policies = await aws.pages(
                "application-autoscaling", "describe_scaling_policies", "ScalingPolicies", **where
            )
            actions = await aws.pages(
                "application-autoscaling", "describe_scheduled_actions", "ScheduledActions", **where
            )
        return _autoscaler(found[0], _of(resource, policies), _of(resource, actions))

    async def limit(self, target: Target, low: int | None, high: int | None) -> None:
        limits = ({} if low is None else {"MinCapacity": low}) | ({} if high is None else {"MaxCapacity": high})
        with changing("Application Auto Scaling", "RegisterScalableTarget", secrets=()):
            await self.aws.at(target).call(
                "application-autoscaling",
                "register_scalable_target",
                ServiceNamespace="ecs",
                ResourceId=_resource(target),
                ScalableDimension=DIMENSION,
                **limits,
            )


def _resource(target: Target) -> str:
    return f"service/{target.cluster}/{target.service}"


def _of(resource: str, entries: list[Any]) -> list[Any]:
    """Return what belongs to this resource alone, and not to one whose name begins as its own does."""
    return [entry for entry in entries if entry.get("ResourceId", resource) == resource]


def _autoscaler(found: dict[str, Any], policies: list[Any], actions: list[Any]) -> Autoscaler:
    suspended = found.get("SuspendedState") or {}
    scales = any(policy.get("PolicyType") in SCALES for policy in policies)
    return Autoscaler(
        low=int(found["MinCapacity"]),
        high=int(found["MaxCapacity"]),
        policies=scales and not suspended.get("DynamicScalingInSuspended"),
        scales_out=scales and not suspended.get("DynamicScalingOutSuspended"),
        schedule=()
        if suspended.get("ScheduledScalingSuspended")
        else tuple(str(action.get("ScheduledActionName", "")) for action in actions),
    )


@dataclass(frozen=True, slots=True)
class AwsRoom:
    aws: Aws
    clock: Clock

    async def free_addresses(self, target: Target, subnets: Sequence[str]) -> int:
        with reading("EC2", "DescribeSubnets"):
            found = await self.aws.at(target).pages("ec2", "describe_subnets", "Subnets", SubnetIds=list(subnets))
        return sum(int(subnet["AvailableIpAddressCount"]) for subnet in found)

    async def database(self, target: Target, instance: str) -> DatabaseRoom:
        of = {"DBInstanceIdentifier": instance}
        now = self.clock.now()
        series = await read_series(
            self.aws,
            target,
            [
                Metric("connections", "AWS/RDS", "DatabaseConnections", "Maximum", of),
                Metric("cpu", "AWS/RDS", "CPUUtilization", "Average", of),
            ],
            now - LOOK_BACK,
            now,
        )
        cpu = series["cpu"]
        return DatabaseRoom(
            instance,
            connections=max(series["connections"].values(), default=None),
            cpu=cpu[max(cpu)] if cpu else None,
        )

    async def load(self, target: Target) -> Load:
        of = {"ClusterName": target.cluster, "ServiceName": target.service}
        now = self.clock.now()
        series = await read_series(
            self.aws,
            target,
            [
                Metric("cpu", "AWS/ECS", "CPUUtilization", "Average", of),
                Metric("least", "AWS/ECS", "CPUUtilization", "Minimum", of),
                Metric("memory", "AWS/ECS", "MemoryUtilization", "Average", of),
                Metric("tasks", "AWS/ECS", "CPUUtilization", "SampleCount", of),
            ],
            now - LOAD_BACK,
            now,
        )
        return Load(series["cpu"], series["least"], series["memory"], series["tasks"])
