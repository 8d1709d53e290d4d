"""Application Auto Scaling, which here keeps the desired count within its bounds, and sets these on schedule.

Its policies are records: nothing scales with load, so that a run is judged by what was asked of it. What it does is
among its activities, and its calls of ECS are in CloudTrail.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from sandbox.aws.trail.callers import CALLERS
from sandbox.aws.world.world import World


def bounded(desired: int, low: int, high: int, suspended: Mapping[str, bool]) -> int:
    """Return the desired count within the bounds of a scalable target, except in directions that are suspended."""
    if desired < low and not suspended.get("DynamicScalingOutSuspended"):
        return low
    if desired > high and not suspended.get("DynamicScalingInSuspended"):
        return high
    return desired


def enforce(world: World, targets: Iterable[Any]) -> None:
    """Pull every service that is out of the bounds of its scalable target (moto's record) back into them."""
    for target in targets:
        _, cluster, name = target.resource_id.split("/")
        service = world.ecs.services.get((cluster, name))
        if service is None or service.status != "ACTIVE":
            continue
        suspended = target.suspended_state or {}
        desired = bounded(service.desired, target.min_capacity, target.max_capacity, suspended)
        if desired != service.desired:
            bound = "minimum" if desired > service.desired else "maximum"
            scaled(world, cluster, name, desired, f"{bound} capacity was set to {desired}")
            service.desired, service.changed = desired, True


def scaled(world: World, cluster: str, name: str, desired: int, cause: str) -> None:
    """Note that it has set the desired count of a service."""
    world.activities.add(world.now, f"service/{cluster}/{name}", f"Setting desired count to {desired}.", cause)
    asked = {"cluster": cluster, "service": name, "desiredCount": desired}
    world.trail.add(world.now, "ecs", "UpdateService", asked, CALLERS["autoscaler"](world.workload.place.account))


_DAILY = re.compile(r"cron\((\d{1,2}) (\d{1,2}) \* \* \? \*\)")


def on_schedule(world: World, targets: Mapping[str, Any], actions: Iterable[Any], now: float) -> None:
    """Set the bounds of those scalable targets (moto's records, by resource) whose daily action is due in this minute.

    ``now`` is the end of the minute, in epoch seconds. Other schedules than ``cron(M H * * ? *)`` stay records.
    """
    minute = datetime.fromtimestamp(now, UTC)
    for action in actions:
        due = _DAILY.fullmatch(str(action.schedule))
        target = targets.get(action.resource_id)
        if due is None or target is None or (minute.minute, minute.hour) != (int(due[1]), int(due[2])):
            continue
        wanted = action.scalable_target_action
        target.min_capacity = wanted.get("MinCapacity", target.min_capacity)
        target.max_capacity = wanted.get("MaxCapacity", target.max_capacity)
        limits = f"Setting min capacity to {target.min_capacity} and max capacity to {target.max_capacity}"
        cause = f"scheduled action name {action.scheduled_action_name} was triggered"
        world.activities.add(world.now, action.resource_id, limits, cause)
