"""Measures the pace of a service's deployments: its settings, its target groups, its last deployments.

A decision can do without each of these reads: where one fails, AWS's own default stands for it, and the pace says so.
"""

import asyncio
from collections.abc import Mapping
from statistics import median_high
from typing import Any

from contracts.base import Target
from contracts.rollout_pace import START_SECONDS, RolloutPace
from services._aws.body import entries
from services._aws.ecs import last_completed_deployments
from services._aws.ecs_views import EcsService
from services._aws.errors import AwsError
from services._aws.load_balancers import HealthCheckTiming, health_check_timing
from services._aws.optional_reads import OptionalReads
from services._chassis.aws import Aws

STOP_TIMEOUT = 30.0
"""Seconds from SIGTERM until a container is killed, where its definition says nothing (ECS API reference,
ContainerDefinition, ``stopTimeout``)."""
CHECK_INTERVAL = 30.0
"""Seconds between two checks of a container, where its definition says nothing (ECS API reference, HealthCheck)."""
INSTANCE_SECONDS = 300.0
"""How long an instance takes that a capacity provider starts for a task (ECS API reference, ManagedScaling,
``instanceWarmupPeriod``; by default)."""
READ_SECONDS = 1.5
"""Real seconds for the reads, which are made at once: a little less than for an optional read as a whole, so that what
is answered counts (``optional_reads.PATIENCE``)."""
USUAL = HealthCheckTiming(registration=150.0, draining=300.0)
"""Elastic Load Balancing's defaults: five checks, 30 s apart, and 300 s of deregistration (API reference,
CreateTargetGroup and TargetGroupAttribute)."""


async def measure_pace(
    aws: Aws,
    target: Target,
    service: EcsService,
    task_definition: Mapping[str, Any],
    patience: float = READ_SECONDS,
) -> RolloutPace:
    """Return the pace at which ``service`` rolls ``task_definition`` (as ECS describes it) out. Raise nothing.

    ``patience``: real seconds for each read. A classic load balancer, which has no target group, is left out.
    """
    reads = OptionalReads(patience)
    timing, learned = await asyncio.gather(
        reads.read("the settings of its target groups", lambda: _timing(aws, target, service)),
        reads.read("ListServiceDeployments", lambda: _learned(aws, target)),
    )
    assumed: list[str] = []
    if isinstance(timing, AwsError):
        assumed.append(f"{timing}, so that Elastic Load Balancing's default times are")
        timing = USUAL
    if isinstance(learned, AwsError):
        assumed.append(f"{learned}, so that the time of a usual start is")
        learned = 0.0
    containers = list(entries(dict(task_definition), "containerDefinitions"))
    return described_pace(service).model_copy(
        update={
            "registration": max([timing.registration, *map(_checked_after, containers)]),
            "draining": timing.draining + max(map(_stop_timeout, containers), default=STOP_TIMEOUT),
            "learned": learned,
            "assumed": tuple(assumed),
        }
    )


def described_pace(service: EcsService) -> RolloutPace:
    """Return the pace as far as the description of the service alone says it. Raise nothing.

    Only the strategy ROLLING replaces tasks in batches; the others start all new tasks beside the old ones.
    """
    rolling = service.strategy == "ROLLING"
    return RolloutPace(
        tasks=int(service.body.get("desiredCount") or 0),
        minimum_percent=service.minimum_percent if rolling else 100.0,
        maximum_percent=service.maximum_percent if rolling else 200.0,
        start=START_SECONDS + (INSTANCE_SECONDS if service.starts_instances else 0.0),
        grace=service.grace_seconds if service.load_balanced else 0.0,
        draining=STOP_TIMEOUT,
        bake=service.bake_seconds,
        assumed=("AWS did not say how long its tasks take, so that usual times are",),
    )


async def _timing(aws: Aws, target: Target, service: EcsService) -> HealthCheckTiming:
    if not service.target_groups:
        return HealthCheckTiming(0.0, 0.0)
    return await health_check_timing(aws, target, service.target_groups)


async def _learned(aws: Aws, target: Target) -> float:
    """Return what the last completed deployments usually took: their median, so that an odd one counts for nothing."""
    past = await last_completed_deployments(aws, target)
    took = [deployment.seconds for deployment in past if deployment.seconds is not None]
    return median_high(took) if took else 0.0


def _checked_after(container: Mapping[str, Any]) -> float:
    """Return the seconds after which a container's own check has passed once; 0 where it has none."""
    check = container.get("healthCheck")
    if not check:
        return 0.0
    return float(check.get("startPeriod") or 0) + float(check.get("interval") or CHECK_INTERVAL)


def _stop_timeout(container: Mapping[str, Any]) -> float:
    return float(container.get("stopTimeout") or STOP_TIMEOUT)
