"""Measures the pace of a service's deployments: its settings, its target groups, its last deployments.

A decision can do without each of these reads: where one fails, AWS's own default stands for it, and the pace says so.
"""

from collections.abc import Mapping
from typing import Any

from contracts.base import Target
from contracts.rollout_pace import RolloutPace
from services._aws.ecs import last_completed_deployments
from services._aws.ecs_views import EcsService, entries
from services._aws.errors import AwsError
from services._aws.load_balancers import HealthCheckTiming, health_check_timing
from services._chassis.aws import Aws

STOP_TIMEOUT = 30.0
"""Seconds from SIGTERM until a container is killed, where its definition says nothing (ECS API reference,
ContainerDefinition, ``stopTimeout``)."""
CHECK_INTERVAL = 30.0
"""Seconds between two checks of a container, where its definition says nothing (ECS API reference, HealthCheck)."""
USUAL = HealthCheckTiming(registration=150.0, draining=300.0)
"""Elastic Load Balancing's defaults: five checks, 30 s apart, and 300 s of deregistration (API reference,
CreateTargetGroup and TargetGroupAttribute)."""


async def measure_pace(
    aws: Aws, target: Target, service: EcsService, task_definition: Mapping[str, Any]
) -> RolloutPace:
    """Return the pace at which ``service`` rolls ``task_definition`` (as ECS describes it) out.

    A classic load balancer, which has no target group, is left out.
    """
    assumed: list[str] = []
    timing = HealthCheckTiming(0.0, 0.0)
    if service.target_groups:
        try:
            timing = await health_check_timing(aws, target, service.target_groups)
        except AwsError as failed:
            timing, phrase = USUAL, f"{failed}, so that Elastic Load Balancing's default times are"
            assumed.append(phrase)
    learned = 0.0
    try:
        past = await last_completed_deployments(aws, target)
        learned = max((deployment.seconds or 0.0 for deployment in past), default=0.0)
    except AwsError as failed:
        assumed.append(f"{failed}, so that the time of a usual start is")
    containers = list(entries(dict(task_definition), "containerDefinitions"))
    return RolloutPace(
        tasks=service.desired,
        minimum_percent=service.minimum_percent,
        maximum_percent=service.maximum_percent,
        grace=service.grace_seconds if service.load_balanced else 0.0,
        registration=max([timing.registration, *map(_checked_after, containers)]),
        draining=timing.draining + max(map(_stop_timeout, containers), default=STOP_TIMEOUT),
        learned=learned,
        assumed=tuple(assumed),
    )


def _checked_after(container: Mapping[str, Any]) -> float:
    """Return the seconds after which a container's own check has passed once; 0 where it has none."""
    check = container.get("healthCheck")
    if not check:
        return 0.0
    return float(check.get("startPeriod") or 0) + float(check.get("interval") or CHECK_INTERVAL)


def _stop_timeout(container: Mapping[str, Any]) -> float:
    return float(container.get("stopTimeout") or STOP_TIMEOUT)
