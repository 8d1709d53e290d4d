"""The kinds of services, and the numbers that the rule takes from each."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from math import inf
from typing import Any

from benchmarks.judge.facts import Service
from sandbox.aws.ecs import targets, tasks
from sandbox.aws.ecs.task_lifecycle import PROVEN_SECONDS
from sandbox.aws.server.seed import CLUSTER, SERVICE
from surefoot.rehearsal.stage import Stage

Prepare = Callable[[Stage], Awaitable[None]]


def patience(grace: float) -> float:
    """Return for how many seconds of RUNNING ECS lets a task fail the sandbox's health check."""
    return max(targets.UNHEALTHY_AFTER * targets.INTERVAL + tasks.NOTICE_SECONDS, grace)


GRACE = 30.0
"""The health check grace period of the service that the sandbox comes with."""
PROVEN = targets.HEALTHY_AFTER * targets.INTERVAL
GUIDE = Service(patience=patience(GRACE), proven_after=PROVEN)


@dataclass(frozen=True, slots=True)
class Kind:
    facts: Service = GUIDE
    world: dict[str, Any] | None = None
    """Fields of the scenario's ``world``."""
    prepare: Prepare | None = None
    start_seconds: float = 10.0
    """How long each of its versions takes to start; an image that is slow to start takes that much longer."""
    happenings: tuple[dict[str, Any], ...] = ()
    scales_to: int | None = 5
    """What an autoscaler sets; None where there is nothing to set."""


def _update(**changes: Any) -> Prepare:
    async def prepare(stage: Stage) -> None:
        stage.connection.client("ecs").update_service(cluster=CLUSTER, service=SERVICE, **changes)
        await stage.clock.sleep(STEADY_SECONDS)

    return prepare


STEADY_SECONDS = 300.0


def _bounds(low: int, high: int, desired: int, **changes: Any) -> Prepare:
    async def prepare(stage: Stage) -> None:
        stage.connection.client("application-autoscaling").register_scalable_target(
            ServiceNamespace="ecs",
            ResourceId=f"service/{CLUSTER}/{SERVICE}",
            ScalableDimension="ecs:service:DesiredCount",
            MinCapacity=low,
            MaxCapacity=high,
        )
        await _update(desiredCount=desired, **changes)(stage)

    return prepare


async def _drains_long(stage: Stage) -> None:
    balancing = stage.connection.client("elbv2")
    group = balancing.describe_target_groups()["TargetGroups"][0]["TargetGroupArn"]
    attribute = {"Key": "deregistration_delay.timeout_seconds", "Value": "900"}
    balancing.modify_target_group_attributes(TargetGroupArn=group, Attributes=[attribute])


KINDS: dict[str, Kind] = {
    "guide": Kind(),
    "worker": Kind(
        Service(counted=False, reachable=False, patience=inf, proven_after=PROVEN_SECONDS),
        prepare=_update(loadBalancers=[]),
    ),
    "scheduled": Kind(replace(GUIDE, tasks=0), prepare=_bounds(0, 6, 0), scales_to=None),
    "stop-before-start": Kind(
        prepare=_update(deploymentConfiguration={"minimumHealthyPercent": 0, "maximumPercent": 100})
    ),
    "slow-starter": Kind(
        replace(GUIDE, patience=patience(400)),
        prepare=_update(healthCheckGracePeriodSeconds=400),
        start_seconds=150,
    ),
    "long-draining": Kind(prepare=_drains_long),
    "many-tasks": Kind(
        replace(GUIDE, tasks=12, patience=patience(120)),
        prepare=_bounds(
            2,
            20,
            12,
            healthCheckGracePeriodSeconds=120,
            deploymentConfiguration={"minimumHealthyPercent": 100, "maximumPercent": 110},
        ),
        scales_to=14,
    ),
    "spot": Kind(world={"spot": True}, happenings=({"at": 300, "interrupts": 1},)),
}
