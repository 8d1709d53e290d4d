"""What AWS has of a service, so that it can be compared before and after."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from contracts.base import Target


@dataclass(frozen=True, slots=True)
class Standing:
    """What ECS, Application Auto Scaling and the load balancer have of the service."""

    desired: int
    low: int
    high: int
    suspended: tuple[str, ...] = ()
    """The kinds of scaling that are suspended."""
    content: str = ""
    """A digest of what its task definition says of its containers."""
    healthy: int | None = None
    """How many of its targets are healthy; None where no load balancer knows it."""


def standing(aws: Callable[[str], Any], target: Target) -> Standing | None:
    """Return what stands at AWS, as a person sees it; None where there is no service."""
    ecs = aws("ecs")
    found = ecs.describe_services(cluster=target.cluster, services=[target.service])["services"]
    if not found or found[0]["status"] != "ACTIVE":
        return None
    asked = {"ServiceNamespace": "ecs", "ResourceIds": [f"service/{target.cluster}/{target.service}"]}
    scaled = aws("application-autoscaling").describe_scalable_targets(**asked)["ScalableTargets"]
    limits: Any = scaled[0] if scaled else {"MinCapacity": 0, "MaxCapacity": 0}
    suspended = sorted(name for name, holds in (limits.get("SuspendedState") or {}).items() if holds)
    definition = ecs.describe_task_definition(taskDefinition=found[0]["taskDefinition"])["taskDefinition"]
    content = orjson.dumps(definition["containerDefinitions"], option=orjson.OPT_SORT_KEYS)
    return Standing(
        found[0]["desiredCount"],
        limits["MinCapacity"],
        limits["MaxCapacity"],
        tuple(suspended),
        hashlib.sha256(content).hexdigest()[:12],
        _healthy(aws("elbv2"), found[0]),
    )


def _healthy(balancing: Any, service: dict[str, Any]) -> int | None:
    groups = [attached["targetGroupArn"] for attached in service["loadBalancers"]]
    health = [balancing.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"] for group in groups]
    states = [target["TargetHealth"]["State"] for targets in health for target in targets]
    return states.count("healthy") if groups else None
