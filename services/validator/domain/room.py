"""Whether ECS can roll a change out at all: its two percentages must leave room to start or to stop a task."""

from math import ceil, floor

from contracts.gates import Gate
from services.validator.domain.facts import LiveService

ROOM = "room_to_deploy"


def room_gate(service: LiveService) -> Gate:
    """Return the gate ``room_to_deploy``: how many tasks ECS may start or stop at a time.

    Source: Amazon ECS developer guide, "Rolling update": of the tasks that are wanted, at most ``maximumPercent``
    (rounded down) may run, and at least ``minimumHealthyPercent`` (rounded up) must.
    """
    if service.desired is None:
        return Gate.does_not_apply(ROOM, "ECS did not say how many tasks the service wants, so the room is not known")
    why_not = _other_way(service)
    if why_not is not None:
        return Gate.does_not_apply(ROOM, why_not)
    wanted, maximum, minimum = service.desired, service.maximum_percent, service.minimum_percent
    most, least = floor(wanted * maximum / 100), ceil(wanted * minimum / 100)
    detail = (
        f"of {wanted} wanted, at most floor({wanted} x {maximum:g} %) = {most} tasks may run, "
        f"and at least ceil({wanted} x {minimum:g} %) = {least} must"
    )
    if most <= least:
        detail += (
            "; ECS can neither start nor stop one, for a rollback neither: set maximumPercent to at least "
            f"{ceil((wanted + 1) * 100 / wanted)}, or minimumHealthyPercent to at most "
            f"{floor((wanted - 1) * 100 / wanted)}"
        )
    return Gate.measured(ROOM, most - least, ">=", 1, samples=1, detail=detail)


def _other_way(service: LiveService) -> str | None:
    """Return why the percentages are not what a deployment of this service depends on; None if they are."""
    if service.controller != "ECS":
        return f"its deployment controller is {service.controller}, which starts and stops tasks in its own way"
    if service.strategy != "ROLLING":
        return f"its deployment strategy is {service.strategy}, which starts all new tasks beside the old ones"
    if service.daemon:
        return "a DAEMON service replaces the one task of each instance, and stops the old one first"
    return "the service wants no task, so none has to be started or stopped" if service.desired == 0 else None
