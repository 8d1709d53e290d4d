"""What stands around a service: load balancing, scaling, network; and how healthy its targets are."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from contracts.base import Target
from services._chassis.aws import Aws
from services.recovery.adapters.calls import calling
from services.recovery.domain.change import Body
from services.recovery.ports import CallFailed


def target_groups(service: Body) -> list[str]:
    return sorted({one["targetGroupArn"] for one in service.get("loadBalancers", ()) if "targetGroupArn" in one})


@dataclass(frozen=True, slots=True)
class AwsBalancers:
    aws: Aws

    async def healthy_targets(self, service: Body) -> int | None:
        counts = []
        for group in target_groups(service):
            with calling("elasticloadbalancing:DescribeTargetHealth"):
                answer = await self.aws.call("elbv2", "describe_target_health", TargetGroupArn=group)
            health = [one["TargetHealth"]["State"] for one in answer["TargetHealthDescriptions"]]
            counts.append(health.count("healthy"))
        return min(counts, default=None)


@dataclass(frozen=True, slots=True)
class AwsSurroundings:
    aws: Aws

    async def around(self, target: Target, service: Body) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Each part for itself: what cannot be read is named, and costs no snapshot."""
        parts: tuple[Callable[[Target, Body], Awaitable[dict[str, Any]]], ...] = (
            self._balancing,
            self._scaling,
            self._network,
        )
        found: dict[str, Any] = {}
        unknown: list[str] = []
        for part in parts:
            try:
                found |= await part(target, service)
            except CallFailed as failed:
                unknown.append(str(failed))
        return found, tuple(unknown)

    async def _balancing(self, target: Target, service: Body) -> dict[str, Any]:
        del target
        arns = target_groups(service)
        if not arns:
            return {}
        with calling("elasticloadbalancing:Describe*"):
            groups = await self.aws.pages("elbv2", "describe_target_groups", "TargetGroups", TargetGroupArns=arns)
            attributes = {
                arn: (await self.aws.call("elbv2", "describe_target_group_attributes", TargetGroupArn=arn))[
                    "Attributes"
                ]
                for arn in arns
            }
            balancers = sorted({arn for one in groups for arn in one.get("LoadBalancerArns", ())})
            listeners = [
                listener
                for arn in balancers
                for listener in await self.aws.pages("elbv2", "describe_listeners", "Listeners", LoadBalancerArn=arn)
            ]
            rules = {
                one["ListenerArn"]: await self.aws.pages(
                    "elbv2", "describe_rules", "Rules", ListenerArn=one["ListenerArn"]
                )
                for one in listeners
            }
            described = (
                await self.aws.pages("elbv2", "describe_load_balancers", "LoadBalancers", LoadBalancerArns=balancers)
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

    async def _scaling(self, target: Target, service: Body) -> dict[str, Any]:
        del service
        resource = f"service/{target.cluster}/{target.service}"
        where = {"ServiceNamespace": "ecs", "ResourceId": resource}
        with calling("application-autoscaling:Describe*"):
            return {
                "scalable_targets": await self.aws.pages(
                    "application-autoscaling",
                    "describe_scalable_targets",
                    "ScalableTargets",
                    ServiceNamespace="ecs",
                    ResourceIds=[resource],
                ),
                "scaling_policies": await self.aws.pages(
                    "application-autoscaling", "describe_scaling_policies", "ScalingPolicies", **where
                ),
                "scheduled_actions": await self.aws.pages(
                    "application-autoscaling", "describe_scheduled_actions", "ScheduledActions", **where
                ),
            }

    async def _network(self, target: Target, service: Body) -> dict[str, Any]:
        del target
        network = service.get("networkConfiguration", {}).get("awsvpcConfiguration", {})
        found: dict[str, Any] = {}
        with calling("ec2:Describe*"):
            if network.get("securityGroups"):
                found["security_groups"] = await self.aws.pages(
                    "ec2", "describe_security_groups", "SecurityGroups", GroupIds=network["securityGroups"]
                )
            if network.get("subnets"):
                found["subnets"] = await self.aws.pages(
                    "ec2", "describe_subnets", "Subnets", SubnetIds=network["subnets"]
                )
        return found
