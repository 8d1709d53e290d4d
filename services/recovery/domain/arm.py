"""Arming, and the end of it: who may, until when, and what the change was begun with."""

from dataclasses import dataclass
from datetime import datetime

from contracts.deployment import Cause
from contracts.gates import Gate
from contracts.policy import RecoveryPolicy
from contracts.recovery import ApplyChange, Arm
from services.recovery.domain.protection import Armed, OurChange, Protection


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not, in a sentence and as the gate that said no."""

    cause: Cause
    summary: str
    gate: Gate


def _refused(gate: str, summary: str, cause: Cause = Cause.REFUSED) -> Refusal:
    return Refusal(cause, summary, Gate.true(gate, holds=False, detail=summary))


def why_not_arm(protection: Protection, command: Arm, now: datetime) -> Refusal | None:
    """One run holds a target at a time, and only with a stored snapshot to go back to."""
    held = protection.arm
    if protection.rollback is not None:
        return _refused("target_free", f"{protection.rollback.rollback_id} is under way on this service.")
    if protection.rollback_of(command.run_id) is not None:
        return _refused("target_free", "This run has been rolled back already.")
    if held is not None and held.run_id != command.run_id and held.active(now):
        return _refused("target_free", f"Run {held.run_id} is armed until {held.expires_at:%H:%M:%S} UTC.")
    if command.expires_at <= now:
        return _refused("arm_unexpired", f"The arm would have ended at {command.expires_at:%H:%M:%S} UTC.")
    if not protection.has_snapshot(command.snapshot_id):
        return _refused("snapshot_stored", f"There is no snapshot {command.snapshot_id} of this service.", Cause.USAGE)
    return None


def arm(protection: Protection, command: Arm, now: datetime, policy: RecoveryPolicy) -> Protection:
    """Arm, or extend: once the change has begun, only the expiry of an arm can still move.

    Where the policy has recovery disabled, recovery watches and tells, whatever a run wishes.
    """
    held = protection.armed_for(command.run_id, now)
    if held is not None and held.change is not None:
        extended = held.model_copy(update={"expires_at": command.expires_at})
        return protection.replace(arm=extended)
    fresh = Armed(
        run_id=command.run_id,
        snapshot_id=command.snapshot_id,
        armed_at=now,
        expires_at=command.expires_at,
        auto_recovery=command.auto_recovery and policy.recovery.enabled,
        already_firing=frozenset(protection.firing),
        policy=policy,
    )
    return protection.replace(arm=fresh, epoch=protection.epoch + 1)


def why_not_change(protection: Protection, command: ApplyChange, now: datetime) -> Refusal | None:
    held = protection.armed_for(command.run_id, now)
    if protection.rollback is not None or held is None:
        return _refused("armed", "Recovery is not armed for this run, so nothing may be changed.")
    if held.change is not None:
        return _refused("armed", "This run has already made its one change.")
    if not command.images and command.task_definition is None:
        return _refused("change_named", "Neither an image nor a task definition is named.", Cause.USAGE)
    return None


def why_not_roll_back(protection: Protection, now: datetime) -> Refusal | None:
    """A rollback by hand waits while another one is under way, and while a run is armed: it would undo its change."""
    if protection.rollback is not None:
        return _refused("target_free", f"{protection.rollback.rollback_id} is under way on this service.")
    held = protection.arm
    if held is not None and held.active(now):
        until = f"{held.expires_at:%H:%M:%S} UTC"
        return _refused("target_free", f"Run {held.run_id} is armed on this service until {until}; abort it instead.")
    return None


def begin_change(protection: Protection, held: Armed, command: ApplyChange, job: str, now: datetime) -> Protection:
    """From now on alerts count; those that fire already are the baseline."""
    change = OurChange(job=job, begun_at=now, images=command.images, asked=command.task_definition)
    baseline = held.already_firing | frozenset(protection.firing)
    return protection.replace(arm=held.model_copy(update={"change": change, "already_firing": baseline}))


def may_still_change(protection: Protection, run_id: str, epoch: int, now: datetime) -> bool:
    """Whether a change job that was begun at ``epoch`` may touch the service."""
    return protection.epoch == epoch and protection.rollback is None and protection.armed_for(run_id, now) is not None


def end_change(
    protection: Protection, job: str, deployment_id: str | None, task_definition: str | None, now: datetime
) -> Protection:
    """Note what the change job ended with; for a change that is nobody's any more nothing is noted."""
    held = protection.arm
    if held is None or held.change is None or held.change.job != job:
        return protection
    change = held.change.model_copy(
        update={"ended": True, "ended_at": now, "deployment_id": deployment_id, "task_definition": task_definition}
    )
    return protection.replace(arm=held.model_copy(update={"change": change}))


def disarm(protection: Protection, run_id: str) -> Protection | None:
    """None when this run holds no arm."""
    if protection.arm is None or protection.arm.run_id != run_id:
        return None
    return protection.replace(arm=None)


def expired(protection: Protection, run_id: str, now: datetime) -> bool:
    """Whether the arm of this run is over by time alone; a rollback under way is not ended by it."""
    held = protection.arm
    return held is not None and held.run_id == run_id and not held.active(now) and protection.rollback is None
