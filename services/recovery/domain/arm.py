"""Arms a target for a run, keeps its change, and disarms it."""

from dataclasses import dataclass
from datetime import datetime

from contracts.base import Target
from contracts.deployment import Cause
from contracts.gates import Gate
from contracts.policy_parts import RecoveryPolicy
from contracts.recovery import ApplyChange, Arm
from services.recovery.domain.outside.remembered import Deployed
from services.recovery.domain.protection import MOST_STOOD_DOWN, Armed, OurChange, Protection


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something is refused: a sentence, and the gate that failed."""

    cause: Cause
    summary: str
    gate: Gate


def _refused(gate: str, summary: str, cause: Cause = Cause.REFUSED) -> Refusal:
    return Refusal(cause, summary, Gate.true(gate, holds=False, detail=summary))


def why_not_arm(protection: Protection, command: Arm, now: datetime) -> Refusal | None:
    """Return why the run may not arm; one run at a time may, and only with a stored snapshot to go back to."""
    held = protection.arm
    busy = protection.rollback.rollback_id if protection.rollback is not None else _migrating(protection, command)
    if busy:
        return _refused("target_free", f"{busy} is under way on this service.")
    if protection.rollback_of(command.run_id) is not None:
        return _refused("target_free", "This run has been rolled back already.")
    if held is not None and held.run_id != command.run_id and held.active(now):
        return _refused("target_free", f"Run {held.run_id} is armed until {held.expires_at:%H:%M:%S} UTC.")
    if command.expires_at <= now:
        return _refused("arm_unexpired", f"The arm would have ended at {command.expires_at:%H:%M:%S} UTC.")
    if not protection.has_snapshot(command.snapshot_id):
        return _refused("snapshot_stored", f"There is no snapshot {command.snapshot_id} of this service.", Cause.USAGE)
    return None


def _migrating(protection: Protection, command: Arm) -> str:
    """Return the migration of another run, or of a person, that is under way; empty where there is none."""
    migration = protection.migration
    return migration.migration_id if migration is not None and migration.run_id != command.run_id else ""


def arm(protection: Protection, command: Arm, now: datetime, policy: RecoveryPolicy) -> Protection:
    """Arm the target, or extend its arm: once the change has begun, or where the run goes back to the same snapshot,
    only the expiry is moved, so that what began to fire since it was armed stays what the run may have caused.

    Where the policy has recovery disabled, alerts do not roll back, whatever the run asks for.
    """
    held = protection.armed_for(command.run_id, now)
    if held is not None and (held.change is not None or held.snapshot_id == command.snapshot_id):
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
    return release(protection, now).replace(arm=fresh, epoch=protection.epoch + 1)


def why_not_change(protection: Protection, command: ApplyChange, now: datetime) -> Refusal | None:
    held = protection.armed_for(command.run_id, now)
    if protection.rollback is not None or held is None:
        return _refused("armed", "Recovery is not armed for this run, so nothing may be changed.")
    if held.change is not None:
        return _refused("armed", "This run has already made its one change.")
    if not command.images and command.task_definition is None:
        return _refused("change_named", "Neither an image nor a task definition is named.", Cause.USAGE)
    return None


def why_not_roll_back(protection: Protection, target: Target, now: datetime) -> Refusal | None:
    """Return why a rollback by hand is refused: another one is under way, or a run is armed, and has to be ended."""
    if protection.rollback is not None:
        return _refused("target_free", f"{protection.rollback.rollback_id} is under way on this service.")
    if protection.migration is not None:
        return _refused("target_free", f"{protection.migration.migration_id} is under way on this service.")
    held = protection.arm
    if held is not None and held.active(now):
        until = f"{held.expires_at:%H:%M:%S} UTC"
        command = f"surefoot abort {target.cluster} {target.service} --run-id {held.run_id}"
        by_command = f"End it, and it rolls back what it has changed: {command}."
        return _refused("target_free", f"Run {held.run_id} is armed on this service until {until}. {by_command}")
    return None


def begin_change(protection: Protection, held: Armed, command: ApplyChange, job: str, now: datetime) -> Protection:
    """Begin the change: from now on alerts count, except those that fire already, which are the baseline."""
    change = OurChange(job=job, begun_at=now, images=command.images, asked=command.task_definition)
    baseline = held.already_firing | frozenset(protection.firing)
    return protection.replace(arm=held.model_copy(update={"change": change, "already_firing": baseline}))


def may_still_change(protection: Protection, run_id: str, epoch: int, now: datetime) -> bool:
    """Return whether the job of a change that was begun at ``epoch`` may still change the service."""
    return protection.epoch == epoch and protection.rollback is None and protection.armed_for(run_id, now) is not None


def end_change(
    protection: Protection,
    job: str,
    deployment_id: str | None,
    task_definition: str | None,
    now: datetime,
    content: str = "",
) -> Protection:
    """Note the result of the change's job; do nothing if the arm that it belonged to is gone."""
    held = protection.arm
    if held is None or held.change is None or held.change.job != job:
        return protection
    result = {"deployment_id": deployment_id, "task_definition": task_definition, "content": content}
    change = held.change.model_copy(update={"ended": True, "ended_at": now, **result})
    return protection.replace(arm=held.model_copy(update={"change": change}))


def disarm(protection: Protection, run_id: str, now: datetime) -> Protection | None:
    """Return the protection without the run's arm; None if this run is not armed."""
    if protection.arm is None or protection.arm.run_id != run_id:
        return None
    return release(protection, now)


def release(protection: Protection, now: datetime) -> Protection:
    """Return the protection without its arm, with what alerts outside a run have to know of the arm's deployment."""
    held = protection.arm
    if held is None or held.change is None:
        return protection.replace(arm=None)
    if not held.change.deployment_id:  # its answer was lost: what the run has deployed is known by its time alone
        freed = protection.replace(arm=None)
        return freed if held.auto_recovery else freed.leave_unattended(held.run_id, held.change.begun_at, now)
    deployment_id = held.change.deployment_id
    deployed = Deployed(deployment_id=deployment_id, run_id=held.run_id, snapshot_id=held.snapshot_id)
    released = protection.replace(arm=None, deployed=deployed)
    return released if held.auto_recovery else released.settle(deployment_id, "not-asked-for", held.run_id)


def stand_down(protection: Protection, run_id: str) -> Protection:
    """Keep in mind that the run may have been told that nothing is rolled back by itself any more."""
    others = (other for other in protection.stood_down if other != run_id)
    return protection.replace(stood_down=(*others, run_id)[-MOST_STOOD_DOWN:])


def expired(protection: Protection, run_id: str, now: datetime) -> bool:
    """Return whether the arm of this run has expired; while a rollback is under way, none does."""
    held = protection.arm
    return held is not None and held.run_id == run_id and not held.active(now) and protection.rollback is None
