"""All that the orchestrator knows of one target."""

from typing import Self

from contracts.base import Target
from contracts.state import State
from services.orchestrator.domain.condition import Condition
from services.orchestrator.domain.run import Run
from services.orchestrator.domain.run_parts import Request
from services.orchestrator.domain.version_hold import HeldVersionLive, VersionHold


class Migrating(State):
    """A run that has ended while its migration goes on, which nobody stops."""

    run: Run
    until: float
    """Until then the next run waits for its end (epoch seconds); what becomes of it later is still recorded."""


class Course(State):
    """At most one active run, and those that wait for its end."""

    active: Run | None = None
    queue: tuple[Request, ...] = ()
    last_run_id: str | None = None
    """Which run was the last to end."""
    condition: Condition = Condition()
    """What the other services have published about the target."""
    version_holds: tuple[VersionHold, ...] = ()
    """The versions that are held after rollbacks, the newest last."""
    released: tuple[str, ...] = ()
    """Ids of the holds that were released last: a rollback that is read again does not begin one once more."""

    held_live: HeldVersionLive | None = None
    """A held version that is live since somebody has brought it in past Surefoot; None where none is known to be."""
    migrating: Migrating | None = None
    """The last run that has ended during its migration, until the end of that is known."""

    @property
    def is_idle(self) -> bool:
        """Whether nothing has to be remembered of it."""
        return self.active is None and not self.queue and not self.version_holds and self.held_live is None

    def waits_for_migration(self, now: float) -> bool:
        """Whether no run begins yet, since the migration of one that has ended is under way."""
        return self.migrating is not None and now < self.migrating.until

    def starting(self, run: Run) -> Self:
        """Return a copy whose active run is one that begins."""
        return self.replace(active=run.replace(version_holds=self.version_holds))

    def with_holds(self, holds: tuple[VersionHold, ...]) -> Self:
        """Return a copy with these holds of versions, which its active run knows as well."""
        if holds == self.version_holds:
            return self
        active = self.active and self.active.replace(version_holds=holds)
        return self.replace(version_holds=holds, active=active)

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
