"""What rollbacks begin on: a command, an alert, or the word of a person. Each decision is put on record."""

from datetime import datetime

from contracts.base import Target, joined
from contracts.deployment import Cause
from contracts.gates import Gate
from contracts.monitor import CriticalAlert
from contracts.recovery import CommandTrigger, ManualTrigger, RollBack
from services._chassis.commands import Command
from services._chassis.transition import Decision, Emit
from services.recovery.decisions.drill import goes_first
from services.recovery.decisions.record import on_record
from services.recovery.decisions.roll_back import begin_rollback, rolled_back
from services.recovery.domain.arm import Refusal
from services.recovery.domain.outside import alert as alerts
from services.recovery.domain.outside.answer import Answer, Why, acted, declined
from services.recovery.domain.outside.decision_record import About, decision_on, record_once
from services.recovery.domain.protection import PastRollback, Protection, RollingBack
from services.recovery.domain.rollback import roll_back as rolling


def rollback_id(run_id: str) -> str:
    """Return the id of a run's rollback: the same for each command and alert, so that a run has one at most."""
    return f"rollback:{run_id}"


def roll_back_on_command(protection: Protection, command: RollBack, asked: Command, now: datetime) -> Decision:
    """Begin the one rollback of a run, wait for the one that is under way, or answer with the one that is over."""
    match protection.rollback_of(command.run_id):
        case PastRollback() as past:
            return Decision(emit=(rolled_back(asked, past),))
        case RollingBack():
            return Decision(rolling.add_waiting_command(protection, asked.id).to_bytes())
    held, trigger = protection.armed_for(command.run_id, now), CommandTrigger(reason=command.trigger)
    if held is None or protection.rollback is not None:
        refused_since = f"recovery is not armed for run {command.run_id}"
        about = About(run_id=command.run_id, task_definition=command.task_definition or "")
        event = decision_on(command.target, declined(Why.NOT_ARMED, refused_since), trigger, now, about)
        known, record = record_once(protection, event, asked.id)
        return on_record(Decision(known.to_bytes(), emit=(_not_armed(asked),)), record)
    rollback = RollingBack.begun(
        trigger,
        rollback_id=rollback_id(command.run_id),
        run_id=command.run_id,
        snapshot_id=held.snapshot_id,
        started_at=now,
        commands=(asked.id,),
        judged=command.task_definition,
    )
    answer = acted(Why.COMMAND, f"Rolls back to {held.snapshot_id} for run {command.run_id}: {command.trigger}.")
    return begin_on_record(protection, command.target, rollback, answer, asked.id)


def _not_armed(command: Command) -> Emit:
    summary = "Recovery is not armed for this run, so it does not act for it."
    return command.failed(summary, Cause.REFUSED, Gate.true("armed", holds=False, detail=summary))


def roll_back_on_alert(
    before: Protection, alert: CriticalAlert, ours: alerts.Ours, cause: str, now: datetime
) -> Decision:
    """Keep the alert in the state, and roll the armed run back if the alert requires it; record either.

    ``cause``: the id of the message.
    """
    protection, trigger, held = alerts.note(before, alert, now), alerts.trigger_of(alert), ours.arm
    digest = held.policy.digest if held.policy else ""
    why_not = alerts.why_not_while_armed(before, alert, ours)
    if why_not is not None:
        event = decision_on(alert.target, why_not, trigger, now, About(run_id=held.run_id, digest=digest, alert=alert))
        known, record = record_once(protection, event, cause)
        return on_record(Decision(known.to_bytes()), record)
    rollback = RollingBack.begun(
        trigger,
        rollback_id=rollback_id(held.run_id),
        run_id=held.run_id,
        snapshot_id=held.snapshot_id,
        started_at=now,
    )
    sentence = f"Rolls back to {held.snapshot_id} for run {held.run_id}, by an alert: {alert.detail.rstrip('.')}."
    return begin_on_record(protection, alert.target, rollback, acted(Why.ALERT, sentence), cause, alert, digest)


def begin_by_hand(protection: Protection, target: Target, rollback: RollingBack) -> Decision:
    """Begin the rollback that a person asked for. The caller has made sure that it may begin."""
    answer = acted(Why.PERSON, f"Rolls back to {rollback.snapshot_id}, {rollback.trigger.rstrip('.')}.")

    def begin(protection: Protection) -> Decision:
        return begin_on_record(protection, target, rollback, answer, rollback.rollback_id)

    return goes_first(protection, target, f"{rollback.rollback_id} goes first", rollback.started_at, begin)


def refuse_by_hand(
    protection: Protection, target: Target, rollback: RollingBack, refusal: Refusal, why: Why = Why.UNDER_WAY
) -> Decision:
    """Record that a rollback by hand is refused. The same person's same request is recorded once for each reason."""
    asked, summary = rollback.triggered_by or ManualTrigger(), refusal.summary.rstrip(".")
    about = About(snapshot_id=rollback.snapshot_id)
    event = decision_on(target, declined(why, summary), asked, rollback.started_at, about)
    known, record = record_once(protection, event, joined(asked.summary, rollback.snapshot_id, summary))
    return on_record(Decision(known.to_bytes()), record)


def begin_on_record(
    protection: Protection,
    target: Target,
    rollback: RollingBack,
    answer: Answer,
    cause: str,
    alert: CriticalAlert | None = None,
    digest: str = "",
) -> Decision:
    """Begin a rollback, and record that as a decision. ``cause``: what asked for it, where no alert did."""
    held = protection.arm
    change = held.change if held is not None and held.run_id == rollback.run_id else None
    about = About(
        run_id=rollback.run_id,
        deployment_id=rollback.deployment_id or (change.deployment_id if change else None) or "",
        task_definition=rollback.judged or (change.task_definition if change else None) or "",
        snapshot_id=rollback.snapshot_id,
        rollback_id=rollback.rollback_id,
        digest=digest,
        alert=alert,
    )
    trigger = rollback.triggered_by or ManualTrigger()
    event = decision_on(target, answer, trigger, rollback.started_at, about)
    known, record = record_once(protection, event, cause)
    return on_record(begin_rollback(known, target, rollback), record)
