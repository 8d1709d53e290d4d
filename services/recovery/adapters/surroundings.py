"""Reads what surrounds a service (load balancing, scaling, network, names), and how many of its targets are healthy."""

from collections import Counter
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from typing import Any

from contracts.base import Target
from services._aws.ecs_views import EcsService
from services._aws.errors import AwsError, reading
from services._aws.load_balancers import target_health
from services._chassis.aws import Aws
from services.recovery.adapters.discovery import connect_namespace, registries
from services.recovery.adapters.watched import alarms, dashboards, log_groups, referring_groups
from services.recovery.domain.change import Body
from services.recovery.domain.rollback.observed import Targets

_STANDING = {"healthy": "healthy", "draining": "draining"}
"""States of a target that a rollback tells apart; in every other one it waits for its first good health check."""


@dataclass(frozen=True, slots=True)
class AwsBalancers:
    aws: Aws

    async def targets(self, target: Target, service: Body) -> Targets | None:
        groups = EcsService(service).target_groups
        found = await target_health(self.aws, target, groups)
        of_groups = [
            Counter(_STANDING.get(member.state, "waiting") for member in found if member.group == group)
            for group in groups
        ]
        if not of_groups:
            return None
        return Targets(
            healthy=min(counts["healthy"] for counts in of_groups),
            waiting=max(counts["waiting"] for counts in of_groups),
            draining=max(counts["draining"] for counts in of_groups),
        )


@dataclass(frozen=True, slots=True)
class AwsSurroundings:
    aws: Aws

    async def around(self, target: Target, service: Body) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Read each part by itself: one that cannot be read is named, and does not prevent the snapshot."""
        parts = [part(target, service) for part in (self._balancing, self._scaling, self._network)]
        return await _read(
            (*parts, registries(self.aws, target, service), connect_namespace(self.aws, target, service))
        )

    async def watched(self, target: Target, service: Body, definition: Body) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Read what only a service that is made again needs, each part by itself as well."""
        aws = self.aws
        return await _read(
            (
                log_groups(aws, target, definition),
                referring_groups(aws, target, service),
                alarms(aws, target, service),
                dashboards(aws, target),
            )
        )

    async def _balancing(self, target: Target, service: Body) -> dict[str, Any]:
        arns = sorted(EcsService(service).target_groups)
        if not arns:
            return {}
        with reading("Elastic Load Balancing", "what stands before the service"):
            return await _balancing(self.aws.at(target), arns)

    async def _scaling(self, target: Target, service: Body) -> dict[str, Any]:
        del service
        aws = self.aws.at(target)
        resource = f"service/{target.cluster}/{target.service}"
        where = {"ServiceNamespace": "ecs", "ResourceId": resource}
        with reading("Application Auto Scaling", "what scales the service"):
            return {
                "scalable_targets": await aws.pages(
                    "application-autoscaling",
                    "describe_scalable_targets",
                    "ScalableTargets",
                    ServiceNamespace="ecs",
                    ResourceIds=[resource],
                ),
                "scaling_policies": await aws.pages(
                    "application-autoscaling", "describe_scaling_policies", "ScalingPolicies", **where
                ),
                "scheduled_actions": await aws.pages(
                    "application-autoscaling", "describe_scheduled_actions", "ScheduledActions", **where
                ),
            }

    async def _network(self, target: Target, service: Body) -> dict[str, Any]:
        aws, seen = self.aws.at(target), EcsService(service)
        found: dict[str, Any] = {}
        with reading("EC2", "the service's network"):
            if seen.security_groups:
                found["security_groups"] = await aws.pages(
                    "ec2", "describe_security_groups", "SecurityGroups", GroupIds=list(seen.security_groups)
                )
            if seen.subnets:
                found["subnets"] = await aws.pages("ec2", "describe_subnets", "Subnets", SubnetIds=list(seen.subnets))
        return found


async def _read(parts: Iterable[Awaitable[dict[str, Any]]]) -> tuple[dict[str, Any], tuple[str, ...]]:
    found: dict[str, Any] = {}
    unknown: list[str] = []
    for part in parts:
        try:
            found |= await part
        except AwsError as failed:
            unknown.append(str(failed))
    return found, tuple(unknown)


async def _balancing(aws: Aws, arns: list[str]) -> dict[str, Any]:
    groups = await aws.pages("elbv2", "describe_target_groups", "TargetGroups", TargetGroupArns=arns)
    attributes = {
        arn: (await aws.call("elbv2", "describe_target_group_attributes", TargetGroupArn=arn))["Attributes"]
        for arn in arns
    }
    balancers = sorted({arn for group in groups for arn in group.get("LoadBalancerArns", ())})
    listeners = [
        listener
        for arn in balancers
        for listener in await aws.pages("elbv2", "describe_listeners", "Listeners", LoadBalancerArn=arn)
    ]
    rules = {
        listener["ListenerArn"]: await aws.pages(
            "elbv2", "describe_rules", "Rules", ListenerArn=listener["ListenerArn"]
        )
        for listener in listeners
    }
    described = (
        await aws.pages("elbv2", "describe_load_balancers", "LoadBalancers", LoadBalancerArns=balancers)
        if balancers
        else []
    )
    return {
        "target_groups": groups,
        "target_group_attributes": attributes,
        "load_balancers": described,
        "listeners": listeners,
        "rules": rules,
    }
