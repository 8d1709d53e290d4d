"""Recovery, the only hand that changes a live service: its commands and its events."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from contracts.base import Event, RunId
from contracts.deployment import Rollback


class CaptureSnapshot(Event):
    """Store what the service is now, so that it can be brought back."""

    run_id: RunId
    purpose: Literal["before-change", "after-change"]


class Arm(Event):
    """Stand ready to roll back, durably and also while the orchestrator is dead."""

    run_id: RunId
    snapshot_id: str
    """The version to go back to."""
    expires_at: datetime
    auto_recovery: bool = True
    """False: watch and tell, never act."""


class ApplyChange(Event):
    """Change the service, at most once for this run. Refused unless armed for this run."""

    run_id: RunId
    images: dict[str, str] = Field(default_factory=dict)
    """Container name → ``repository@sha256:…``, as preflight resolved it."""
    task_definition: str | None = None


class RollBack(Event):
    """Bring the armed snapshot back."""

    run_id: RunId
    trigger: str


class Disarm(Event):
    """The run is over; answer ``disarmed``, or ``rollback-started`` if recovery has already begun one."""

    run_id: RunId


class SnapshotCaptured(Event):
    run_id: RunId | None = None
    snapshot_id: str
    task_definition: str


class TargetArmed(Event):
    run_id: RunId
    snapshot_id: str
    expires_at: datetime


class TargetDisarmed(Event):
    run_id: RunId
    reason: Literal["finished", "expired"]


class ChangeApplied(Event):
    run_id: RunId
    deployment_id: str
    task_definition: str


class RollbackStarted(Event):
    """At most one for a run."""

    run_id: RunId | None = None
    rollback_id: str
    trigger: str
    snapshot_id: str
    detail: str = ""
    """What was measured, where an alert was the trigger."""


class RollbackFinished(Event):
    """``restored``: the snapshot's version is live and healthy, whoever brought it back.

    ``superseded``: another version was put there meanwhile, and nothing was done. ``failed``: call people.
    """

    run_id: RunId | None = None
    rollback_id: str
    result: Literal["restored", "superseded", "failed"]
    rollback: Rollback
    detail: str
