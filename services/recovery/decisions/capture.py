"""Begins snapshots."""

from datetime import datetime

from contracts.policy_parts import RecoveryPolicy
from services._chassis.commands import Command
from services._chassis.transition import Transition, decided
from services.recovery.domain.snapshots.snapshot import Purpose, new_id
from services.recovery.domain.work import ORCHESTRATOR, CaptureWork, RecoveryOperation

CAPTURE = "capture-snapshot"
PURGE = "purge-snapshots"
TEND = "tend-snapshots"
"""The kinds of the jobs about snapshots."""


def begin_capture(command: Command, purpose: Purpose, policy: RecoveryPolicy, now: datetime) -> Transition:
    """Begin a snapshot. Its id is decided here, so that every attempt of the job stores the same object."""
    work = CaptureWork(
        target=command.target,
        snapshot_id=new_id(now, command.id),
        run_id=command.run_id,
        purpose=purpose,
        asked_at=now,
        actor=ORCHESTRATOR,
        policy=policy,
    )
    job = command.job(CAPTURE, work.to_bytes())
    return decided(jobs=(job,), records=RecoveryOperation.of_capture(command.id, work).record)
