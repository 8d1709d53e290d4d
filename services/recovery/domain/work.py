"""What jobs and timers are given, what a rollback remembers, and what a caller of the API can ask about."""

from datetime import datetime
from typing import Literal

from contracts.base import Target
from contracts.deployment import Rollback
from contracts.operations import Operation
from contracts.policy import RecoveryPolicy
from contracts.state import State
from services.recovery.domain.snapshot import Purpose


class CaptureWork(State):
    target: Target
    snapshot_id: str
    run_id: str | None
    """None: asked for over the API, so that no command waits for an answer."""
    purpose: Purpose
    asked_at: datetime | None = None
    """None in what version 0.1.0 wrote."""
    actor: str = ""
    reason: str = ""
    policy: RecoveryPolicy | None = None
    """How many snapshots are kept, and for how long; None in what the previous version wrote: as the policy in force
    says."""


class ChangeWork(State):
    target: Target
    run_id: str
    epoch: int
    images: dict[str, str]
    task_definition: str | None
    snapshot_deployment: str | None = None
    """The primary deployment of the snapshot: what is live has to be this one, or the change itself."""


class RollbackWork(State):
    target: Target
    rollback_id: str


class PurgeWork(State):
    target: Target
    snapshot_ids: tuple[str, ...]


class Expiry(State):
    target: Target
    run_id: str


class RollbackProgress(State):
    """How far a rollback has come: kept at each step, so that any executor can go on."""

    goals: tuple[str, ...] = ()
    """Task definitions that count as the snapshot's version; the last one is what is put back."""
    judged: str | None = None
    """The version that was live at the first look, where no change of ours says which is to be taken back."""
    restored_at: tuple[float, ...] = ()
    """When UpdateService was about to be called; written before, since an answer can get lost."""


class RecoveryOperation(Operation):
    """A snapshot or a rollback, whoever asked for it."""

    id: str
    """``operation_id``, as version 0.1.0 called it."""
    kind: Literal["snapshot", "rollback"]
    snapshot_id: str
    result: Literal["stored", "restored", "superseded", "failed"] | None = None
    detail: str = ""
    """``sentence``, as version 0.1.0 called it."""
    rollback: Rollback | None = None
