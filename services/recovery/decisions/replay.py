"""Takes in what this service has published itself: a Redis that was restored from an older copy may not know it."""

from datetime import datetime

from contracts.recovery import RollbackFinished, RollbackStarted, SnapshotCaptured, TargetArmed, TargetDisarmed
from services._chassis.transition import Decision, Job, Timer
from services.recovery.decisions.roll_back import OVERDUE, ROLL_BACK, overdue_timer
from services.recovery.domain import arm as arming
from services.recovery.domain.protection import MOST_PAST, PastRollback, Protection, RollingBack
from services.recovery.domain.rollback import roll_back as rolling
from services.recovery.domain.snapshots.snapshot_index import SnapshotEntry
from services.recovery.domain.work import RecoveryOperation, RollbackWork


def index_again(protection: Protection, event: SnapshotCaptured) -> Decision:
    """Put a snapshot back into the index, unless the index has a newer one (ADR 7).

    An older snapshot that is not in the index was removed from it, and its object was deleted.
    """
    if event.taken_at is None or protection.has_snapshot(event.snapshot_id):
        return Decision()
    if any(entry.taken_at > event.taken_at for entry in protection.snapshots):
        return Decision()
    entry = SnapshotEntry(
        snapshot_id=event.snapshot_id,
        task_definition=event.task_definition,
        deployment_id=event.deployment_id,
        taken_at=event.taken_at,
        proven=event.proven,
        sha256=event.sha256,
        indexed_again=True,
    )
    return Decision(protection.replace(snapshots=(entry, *protection.snapshots)).to_bytes())


def arm_again(protection: Protection, event: TargetArmed, armed_at: datetime) -> Decision:
    """Know a run again that was to roll nothing back by itself, or of which the previous version did not say it.

    From when it was armed first until it was disarmed it may have deployed.
    """
    known = protection.unattended_of(event.run_id)
    begins = min(known.begins, armed_at) if known else armed_at
    return Decision(protection.leave_unattended(event.run_id, begins, event.expires_at).to_bytes())


def disarm_again(protection: Protection, event: TargetDisarmed, disarmed_at: datetime) -> Decision:
    """Roll nothing back by itself for the run any more, and know until when it may have deployed."""
    stood_down = arming.stand_down(protection, event.run_id)
    known = protection.unattended_of(event.run_id)
    if known is not None:
        stood_down = stood_down.leave_unattended(event.run_id, known.begins, min(known.ends, disarmed_at))
    return Decision(stood_down.to_bytes())


def begin_again(protection: Protection, event: RollbackStarted, began_at: datetime) -> Decision:
    """Know a rollback outside a run again that an alert began. Its job begins once all is read (``resume``)."""
    known = protection.rollback is not None or protection.rollback_named(event.rollback_id) is not None
    if event.run_id is not None or not event.deployment_id or known:
        return Decision()
    rollback = RollingBack.begun(
        event.cause,
        rollback_id=event.rollback_id,
        run_id=None,
        snapshot_id=event.snapshot_id,
        started_at=began_at,
        judged=event.task_definition,
        deployment_id=event.deployment_id,
    )
    work = RollbackWork(target=event.target, rollback_id=event.rollback_id).to_bytes()
    resumed = Timer(f"resume:{event.rollback_id}", "resume", began_at.timestamp(), work)
    return Decision(
        rolling.begin(protection, rollback).to_bytes(),
        timers=(overdue_timer(event.rollback_id, (began_at + OVERDUE).timestamp(), work), resumed),
        records=RecoveryOperation.of_rollback(event.target, rollback).record,
    )


def resume(protection: Protection, work: RollbackWork) -> Decision:
    """Begin the job of the rollback under way, unless it has begun."""
    if protection.rollback is None or protection.rollback.rollback_id != work.rollback_id:
        return Decision()
    return Decision(jobs=(Job(work.rollback_id, ROLL_BACK, work.to_bytes()),))


def end_again(protection: Protection, event: RollbackFinished) -> Decision:
    """Know again how a rollback ended that was published."""
    brought = protection.settle(event.deployment_id, "brought-back", event.rollback_id)
    under_way = protection.rollback
    if under_way is None or under_way.rollback_id != event.rollback_id or event.run_id is not None:
        return Decision(brought.to_bytes())
    past = PastRollback(
        rollback_id=event.rollback_id,
        run_id=None,
        result=event.result,
        rollback=event.rollback,
        detail=event.detail,
        taken_back=event.taken_back.task_definition if event.taken_back else "",
        brought_back=event.brought_back.task_definition if event.brought_back else "",
    )
    return Decision(
        brought.replace(rollback=None, past=(*protection.past, past)[-MOST_PAST:]).to_bytes(),
        cancel_timers=(f"overdue:{event.rollback_id}", f"resume:{event.rollback_id}"),
        cancel_jobs=(event.rollback_id,),
    )
