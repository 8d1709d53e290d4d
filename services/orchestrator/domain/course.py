"""All that the orchestrator knows of one target."""

from contracts.base import Target
from contracts.state import State
from services.orchestrator.domain.condition import Condition
from services.orchestrator.domain.run import Run
from services.orchestrator.domain.run_parts import Request


class Course(State):
    """At most one active run, and those that wait for its end."""

    active: Run | None = None
    queue: tuple[Request, ...] = ()
    last_run_id: str | None = None
    """Which run was the last to end."""
    condition: Condition = Condition()
    """What the other services have published about the target."""

    def knows(self, run_id: str) -> bool:
        """Whether the run is active, waits, or was the last to end."""
        known = {request.run_id for request in self.queue} | {self.last_run_id}
        return run_id in known or (self.active is not None and self.active.run_id == run_id)


def course_key(target: Target) -> str:
    """Return the key of a target's course in the store."""
    return f"course:{target}"


def target_of(key: str) -> Target:
    """Return the target of a course's key."""
    return Target.parse(key.removeprefix("course:"))
