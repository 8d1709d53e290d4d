"""All that the orchestrator knows of one target."""

from typing import Literal, Self

from services.orchestrator.domain.run import Frozen, Request, Run


class Course(Frozen):
    """At most one active run, and those that wait for its end."""

    schema_version: Literal[1] = 1
    active: Run | None = None
    queue: tuple[Request, ...] = ()
    last_run_id: str | None = None
    """Which run was the last to end."""

    @classmethod
    def decode(cls, state: bytes | None) -> Self:
        """Read what ``encode`` wrote; None is a target that was never seen."""
        return cls() if state is None else cls.model_validate_json(state)

    def encode(self) -> bytes:
        return self.model_dump_json().encode()

    def knows(self, run_id: str) -> bool:
        """Whether the run is active, waits, or was the last to end."""
        known = {request.run_id for request in self.queue} | {self.last_run_id}
        return run_id in known or (self.active is not None and self.active.run_id == run_id)
