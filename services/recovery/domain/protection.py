"""What recovery knows of one target: frozen, and replaced as a whole."""

from datetime import datetime
from typing import Literal, Self

from pydantic import Field

from contracts.base import Contract, Target
from contracts.deployment import Rollback
from contracts.policy import RecoveryPolicy
from contracts.recovery import Trigger
from contracts.state import State

MOST_FIRING = 200
"""Alerts remembered for one target; beyond it the oldest are forgotten."""
MOST_RESOLVED = 200
"""Resolved alerts remembered for one target: one that was raised may come later than its resolution."""
MOST_PAST = 50
"""Rollbacks remembered for one target."""


def key_of(target: Target) -> str:
    return f"protection:{target}"


class Firing(Contract):
    """A critical alert that is raised and not resolved."""

    rule: str
    began_at: datetime


class OurChange(Contract):
    """The one change of a run: what was asked for and, once its job has ended, what came of it."""

    job: str
    """The id of the command, which is the id of its job."""
    begun_at: datetime
    images: dict[str, str] = Field(default_factory=dict)
    asked: str | None = None
    """The task definition, as the command named it."""
    deployment_id: str | None = None
    task_definition: str | None = None
    ended: bool = False
    """Its job has answered; until then a call of it may be under way."""
    ended_at: datetime | None = None


class Armed(Contract):
    """Recovery stands ready to bring ``snapshot_id`` back for ``run_id``."""

    run_id: str
    snapshot_id: str
    armed_at: datetime
    expires_at: datetime
    auto_recovery: bool
    already_firing: frozenset[str] = frozenset()
    """Alerts from before the change: they are not its doing."""
    change: OurChange | None = None
    policy: RecoveryPolicy | None = None
    """With which the run began; None in what the previous version wrote, for which every critical rule triggers."""

    def active(self, now: datetime) -> bool:
        return now < self.expires_at

    def triggered_by(self, rule: str) -> bool:
        """Whether a critical alert of this rule rolls back by itself."""
        triggers = self.policy.recovery.triggers if self.policy else None
        return self.auto_recovery and (triggers is None or rule in triggers)


class RollingBack(Contract):
    """The rollback under way. ``run_id`` is None when a person asked for it over the API."""

    rollback_id: str
    run_id: str | None
    trigger: str
    """``triggered_by`` in one phrase."""
    triggered_by: Trigger | None = None
    """None in a state that the previous version wrote."""
    snapshot_id: str
    started_at: datetime
    commands: tuple[str, ...] = ()
    """The ``roll-back`` commands that wait for its result."""

    @classmethod
    def begun(
        cls,
        trigger: Trigger,
        *,
        rollback_id: str,
        run_id: str | None,
        snapshot_id: str,
        started_at: datetime,
        commands: tuple[str, ...] = (),
    ) -> Self:
        return cls(
            rollback_id=rollback_id,
            run_id=run_id,
            trigger=trigger.summary,
            triggered_by=trigger,
            snapshot_id=snapshot_id,
            started_at=started_at,
            commands=commands,
        )


class PastRollback(Contract):
    rollback_id: str
    run_id: str | None
    result: Literal["restored", "superseded", "failed"]
    rollback: Rollback
    detail: str


class SnapshotEntry(Contract):
    """One line of the index of snapshots."""

    snapshot_id: str
    task_definition: str
    deployment_id: str | None = None
    """Of the primary deployment then; None in an index from before it was noted."""
    taken_at: datetime
    proven: bool = False
    """It passed the gates after a change, or a rollback to it ended healthy."""


class Protection(State):
    """Everything that has to change together. Written by ``apply`` alone."""

    epoch: int = 0
    """Grows with every arming and every rollback: work of an older epoch must not change anything."""
    arm: Armed | None = None
    rollback: RollingBack | None = None
    past: tuple[PastRollback, ...] = ()
    firing: dict[str, Firing] = Field(default_factory=dict)
    resolved: tuple[str, ...] = ()
    """Alerts that are over, the newest last."""
    snapshots: tuple[SnapshotEntry, ...] = ()
    """Newest first."""

    def armed_for(self, run_id: str, now: datetime) -> Armed | None:
        """The arm of this run while it holds: unexpired, and not yet used up by a rollback."""
        arm = self.arm
        return arm if arm is not None and arm.run_id == run_id and arm.active(now) else None

    def rollback_of(self, run_id: str) -> RollingBack | PastRollback | None:
        """The one rollback of a run, under way or over."""
        if self.rollback is not None and self.rollback.run_id == run_id:
            return self.rollback
        return next((past for past in self.past if past.run_id == run_id), None)

    def rollback_named(self, rollback_id: str) -> RollingBack | PastRollback | None:
        if self.rollback is not None and self.rollback.rollback_id == rollback_id:
            return self.rollback
        return next((past for past in self.past if past.rollback_id == rollback_id), None)

    def has_snapshot(self, snapshot_id: str) -> bool:
        return any(entry.snapshot_id == snapshot_id for entry in self.snapshots)

    def deployment_of(self, snapshot_id: str) -> str | None:
        """The primary deployment when the snapshot was taken, where that is known."""
        return next((entry.deployment_id for entry in self.snapshots if entry.snapshot_id == snapshot_id), None)
