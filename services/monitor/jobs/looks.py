"""The timers by which a target is looked at again and again."""

from contracts.base import Target
from services._chassis.transition import Timer

COLLECT = "collect"


def look_at(target: Target, due: float) -> Timer:
    return Timer(f"collect:{target}", COLLECT, due, str(target).encode())


def deadline_id(command_id: str) -> str:
    """Return the id of the timer at which an evaluation is answered, whatever is known by then."""
    return f"deadline:{command_id}"


def deadline(command_id: str, target: Target, due: float) -> Timer:
    return Timer(deadline_id(command_id), COLLECT, due, str(target).encode())
