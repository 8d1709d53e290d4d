"""Arms a target for a run, and ends that on command or when the time is over."""

from datetime import datetime

from contracts.base import caused_id
from contracts.gates import Gate
from contracts.policy_parts import RecoveryPolicy
from contracts.recovery import Arm, Disarm, TargetArmed, TargetDisarmed
from contracts.results import ArmedOutput, DisarmOutput
from services._chassis.commands import Command
from services._chassis.transition import Decision, Emit, Timer
from services.recovery.decisions.change import stop_change
from services.recovery.decisions.refuse import refused
from services.recovery.domain import arm as arming
from services.recovery.domain.protection import Protection
from services.recovery.domain.work import Expiry


def expiry_id(run_id: str) -> str:
    return f"expire:{run_id}"


def arm(protection: Protection, command: Arm, asked: Command, policy: RecoveryPolicy, now: datetime) -> Decision:
    """Arm the target for a run, or refuse."""
    refusal = arming.why_not_arm(protection, command, now)
    if refusal is not None:
        return Decision(emit=(refused(asked, refusal),))
    return armed(protection, arming.arm(protection, command, now, policy), asked)


def armed(before: Protection, protection: Protection, command: Command) -> Decision:
    """Return the decision that arms a target: the event, the command's answer, and the timer that ends the arm.

    ``before`` is the state before. An arm that is replaced has expired, and its timer has not fired yet: its change is
    stopped here.
    """
    held = protection.arm
    if held is None:
        raise ValueError("the target is not armed")
    event = TargetArmed(
        target=command.target,
        run_id=held.run_id,
        snapshot_id=held.snapshot_id,
        expires_at=held.expires_at,
        auto_recovery=held.auto_recovery,
    )
    output = ArmedOutput(expires_at=held.expires_at, snapshot_id=held.snapshot_id)
    answer = command.passed(
        f"Armed with {held.snapshot_id} until {held.expires_at:%H:%M:%S} UTC.",
        Gate.true("target_free", holds=True),
        Gate.true("snapshot_stored", holds=True),
        output=output,
    )
    expiry = Expiry(target=command.target, run_id=held.run_id)
    timer = Timer(expiry_id(held.run_id), "expire", held.expires_at.timestamp(), expiry.to_bytes())
    extended = before.arm is not None and held.change is not None
    change_answer, stopped = ((), ()) if extended else stop_change(before, command.target, "its arm has expired")
    emit = (Emit(event, caused_id(command.id, "target-armed")), answer, *change_answer)
    return Decision(protection.to_bytes(), emit=emit, timers=(timer,), cancel_jobs=stopped)


def disarm(protection: Protection, command: Disarm, asked: Command, now: datetime) -> Decision:
    """End the run's right to change anything, and answer whether a rollback has begun.

    ``target-disarmed`` is published even where the run is not armed: a Redis that was restored from an older copy may
    lack an arm that was published.
    """
    if protection.rollback_of(command.run_id) is not None:
        return Decision(emit=(asked.passed("A rollback has begun.", output=DisarmOutput(answer="rollback-started")),))
    answer = asked.passed("Disarmed.", output=DisarmOutput(answer="disarmed"))
    event = TargetDisarmed(target=command.target, run_id=command.run_id, reason="finished")
    published = Emit(event, caused_id(asked.id, "target-disarmed"))
    disarmed = arming.disarm(protection, command.run_id, now)
    if disarmed is None:
        return Decision(emit=(published, answer))
    change_answer, stopped = stop_change(protection, command.target, "the run is over")
    return Decision(
        disarmed.to_bytes(),
        emit=(published, answer, *change_answer),
        cancel_timers=(expiry_id(command.run_id),),
        cancel_jobs=stopped,
    )


def expire(protection: Protection, due: Expiry, at: float, now: datetime) -> Decision:
    """End an arm that has expired. ``at`` is the product time of its timer, in epoch seconds."""
    if not arming.expired(protection, due.run_id, now):
        return Decision()
    event = TargetDisarmed(target=due.target, run_id=due.run_id, reason="expired")
    disarmed = Emit(event, caused_id(due.run_id, f"expired:{at}"))
    change_answer, stopped = stop_change(protection, due.target, "the arm has expired")
    return Decision(arming.release(protection, now).to_bytes(), emit=(disarmed, *change_answer), cancel_jobs=stopped)
