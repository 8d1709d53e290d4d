"""Application Auto Scaling, which here only keeps the desired count within its bounds.

Its policies are records: nothing scales with load, so that a run is judged by what was asked of it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from sandbox.aws.ecs.region import Ecs


def bounded(desired: int, low: int, high: int, suspended: Mapping[str, bool]) -> int:
    """Return the desired count within the bounds of a scalable target, except in directions that are suspended."""
    if desired < low and not suspended.get("DynamicScalingOutSuspended"):
        return low
    if desired > high and not suspended.get("DynamicScalingInSuspended"):
        return high
    return desired


def enforce(ecs: Ecs, targets: Iterable[Any]) -> None:
    """Pull every service that is out of the bounds of its scalable target (moto's record) back into them."""
    for target in targets:
        _, cluster, name = target.resource_id.split("/")
        service = ecs.services.get((cluster, name))
        if service is None or service.status != "ACTIVE":
            continue
        suspended = target.suspended_state or {}
        desired = bounded(service.desired, target.min_capacity, target.max_capacity, suspended)
        service.changed = service.changed or desired != service.desired
        service.desired = desired
