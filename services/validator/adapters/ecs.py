"""What is deployed: services and task definitions."""

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from contracts.base import Target
from services._chassis.aws import Aws
from services.validator.adapters.failures import Failure, code, sentence
from services.validator.domain.facts import Absent, LiveService, TaskDefinition, Unknown
from services.validator.domain.manifest import Platform

_ARCHITECTURES = {"X86_64": "amd64", "ARM64": "arm64"}


@dataclass(frozen=True, slots=True)
class EcsServices:
    aws: Aws

    async def service(self, target: Target) -> LiveService | Absent | Unknown:
        try:
            answer = await self.aws.call("ecs", "describe_services", cluster=target.cluster, services=[target.service])
        except Failure as error:
            if code(error) == "ClusterNotFoundException":
                return Absent(f"there is no cluster {target.cluster} in {target.account}/{target.region}")
            return Unknown(sentence("ECS", "DescribeServices", error))
        services = answer.get("services", [])
        if not services:
            reasons = {str(failure.get("reason")) for failure in answer.get("failures", [])}
            if reasons == {"MISSING"}:
                return Absent(f"there is no service {target.service} in the cluster {target.cluster}")
            why = ", ".join(sorted(reasons)) or "an empty answer"
            return Unknown(f"ECS could not describe {target.service}: {why}")
        service: dict[str, Any] = services[0]
        if service.get("status") != "ACTIVE":
            return Absent(f"the service {target.service} is {service.get('status')}: it was deleted")
        deployments: list[dict[str, Any]] = service.get("deployments", [])
        primary = next((one for one in deployments if one["status"] == "PRIMARY"), None)
        return LiveService(
            task_definition=service.get("taskDefinition"),
            target_groups=tuple(
                balancer["targetGroupArn"]
                for balancer in service.get("loadBalancers", [])
                if balancer.get("targetGroupArn")
            ),
            deployment_id=primary["id"] if primary else None,
            rolling_out=primary is not None and _rolls_out(primary, deployments),
        )

    async def task_definition(self, name: str) -> TaskDefinition | Absent | Unknown:
        try:
            answer = await self.aws.call("ecs", "describe_task_definition", taskDefinition=name)
        except ClientError as error:
            if code(error) in {"ClientException", "InvalidParameterException"}:  # ECS knows no narrower one
                return Absent(f"there is no task definition {name}")
            return Unknown(sentence("ECS", "DescribeTaskDefinition", error))
        except Failure as error:
            return Unknown(sentence("ECS", "DescribeTaskDefinition", error))
        found: dict[str, Any] = answer["taskDefinition"]
        return TaskDefinition(
            arn=found["taskDefinitionArn"],
            active=found.get("status") == "ACTIVE",
            platform=_platform(found.get("runtimePlatform") or {}),
            images={one["name"]: one["image"] for one in found["containerDefinitions"]},
        )


def _rolls_out(primary: dict[str, Any], deployments: list[dict[str, Any]]) -> bool:
    """ECS leaves ``rolloutState`` out behind a classic load balancer; then an older deployment is still listed."""
    state = primary.get("rolloutState")
    return state == "IN_PROGRESS" if state else len(deployments) > 1


def _platform(runtime: dict[str, str]) -> Platform:
    """Fargate's default is Linux on X86_64."""
    family = runtime.get("operatingSystemFamily", "LINUX")
    architecture = runtime.get("cpuArchitecture", "X86_64")
    return Platform(
        "windows" if family.startswith("WINDOWS") else "linux",
        _ARCHITECTURES.get(architecture, architecture.lower()),
    )
