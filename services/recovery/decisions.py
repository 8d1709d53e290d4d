"""Begins and ends work: the decisions that bus, timers, jobs and API share. Nothing here does I/O."""

from dataclasses import replace
from datetime import datetime, timedelta

from contracts.base import Target, caused_id, joined
from contracts.bounds import as_json
from contracts.deployment import Cause
from contracts.gates import Gate
from contracts.monitor import CriticalAlert
from contracts.policy_parts import RecoveryPolicy
from contracts.recovery import (
    AlertTrigger,
    ApplyChange,
    Arm,
    CommandTrigger,
    Disarm,
    ManualTrigger,
    RollBack,
    RollbackFinished,
    RollbackStarted,
    SnapshotCaptured,
    TargetArmed,
    TargetDisarmed,
)
from contracts.results import ArmedOutput, DisarmOutput
from contracts.rollout_pace import LEAST_SILENCE
from services._chassis.commands import Command
from services._chassis.transition import Decision, Emit, Index, Job, Timer, Transition, decided
from services.recovery.domain import alert as alerts
from services.recovery.domain import arm as arming
from services.recovery.domain import roll_back as rolling
from services.recovery.domain.answer import Answer, Why, acted, declined
from services.recovery.domain.arm import Refusal
from services.recovery.domain.decision_record import MOST_KEPT, About, NewRecord, decision_on, record_once
from services.recovery.domain.protection import (
    MOST_PAST,
    Armed,
    PastRollback,
    Protection,
    RollingBack,
    SnapshotEntry,
    key_of,
)
from services.recovery.domain.snapshot import Purpose, new_id
from services.recovery.domain.work import (
    ORCHESTRATOR,
    CaptureWork,
    ChangeWork,
    Expiry,
    RecoveryOperation,
    RollbackWork,
)

CAPTURE = "capture-snapshot"
PURGE = "purge-snapshots"
TEND = "tend-snapshots"
CHANGE = "apply-change"
ROLL_BACK = "rollback"
CONSIDER = "consider-alert"
"""The kinds of the jobs."""
OVERDUE_MARGIN = 300.0
"""Product seconds after a rollback's own deadline, after which it counts as failed if its job has not ended."""
LATE_TIMER = 60.0
"""Product seconds. A timer that fires so late shows that nobody was there to work either."""
OVERDUE = timedelta(seconds=LEAST_SILENCE + OVERDUE_MARGIN)
"""The same from its start, as long as nothing has moved; each progress extends it (``wait_until``)."""


def refused(command: Command, refusal: Refusal) -> Emit:
    return command.failed(refusal.summary, refusal.cause, refusal.gate)


def refused_by_policy(command: Command, error: LookupError) -> Emit:
    """Answer a command that carries no policy, where the policy in force does not allow work on the service."""
    return command.failed(f"{error}.", Cause.REFUSED)


def rolled_back(command: Command, past: PastRollback) -> Emit:
    """Answer ``roll-back`` with the result: passed only if the snapshot's version is live and healthy."""
    gate = Gate.true("rolled_back", holds=past.result == "restored", detail=past.detail)
    summary = f"By {past.rollback.by}, after {past.rollback.seconds:.0f} s: {past.detail}"
    if past.result == "restored":
        return command.passed(summary, gate)
    return command.failed(summary, Cause.SUPERSEDED if past.result == "superseded" else Cause.ERROR, gate)


def rollback_id(run_id: str) -> str:
    """Return the id of a run's rollback: the same for each command and alert, so that a run has one at most."""
    return f"rollback:{run_id}"


def expiry_id(run_id: str) -> str:
    return f"expire:{run_id}"


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
    )
    return Decision(protection.replace(snapshots=(entry, *protection.snapshots)).to_bytes())


def arm(protection: Protection, command: Arm, asked: Command, policy: RecoveryPolicy, now: datetime) -> Decision:
    """Arm the target for a run, or refuse."""
    refusal = arming.why_not_arm(protection, command, now)
    if refusal is not None:
        return Decision(emit=(refused(asked, refusal),))
    return armed(protection, arming.arm(protection, command, now, policy), asked)


def begin_change(protection: Protection, command: ApplyChange, asked: Command, now: datetime) -> Decision:
    """Begin the one change of a run, or refuse."""
    refusal = arming.why_not_change(protection, command, now)
    held = protection.armed_for(command.run_id, now)
    if refusal is not None or held is None:
        return Decision(emit=(refused(asked, refusal),) if refusal else ())
    protection = arming.begin_change(protection, held, command, asked.id, now)
    work = ChangeWork(
        target=command.target,
        run_id=command.run_id,
        epoch=protection.epoch,
        images=command.images,
        task_definition=command.task_definition,
        change=command.change,
        snapshot_deployment=protection.deployment_of(held.snapshot_id),
    )
    return Decision(protection.to_bytes(), jobs=(asked.job(CHANGE, work.to_bytes()),))


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


def begin_by_hand(protection: Protection, target: Target, rollback: RollingBack) -> Decision:
    """Begin the rollback that a person asked for. The caller has made sure that it may begin."""
    answer = acted(Why.PERSON, f"Rolls back to {rollback.snapshot_id}, {rollback.trigger.rstrip('.')}.")
    return begin_on_record(protection, target, rollback, answer, rollback.rollback_id)


def refuse_by_hand(protection: Protection, target: Target, rollback: RollingBack, refusal: Refusal) -> Decision:
    """Record that a rollback by hand is refused. The same person's same request is recorded once for each reason."""
    asked, summary = rollback.triggered_by or ManualTrigger(), refusal.summary.rstrip(".")
    about = About(snapshot_id=rollback.snapshot_id)
    event = decision_on(target, declined(Why.UNDER_WAY, summary), asked, rollback.started_at, about)
    known, record = record_once(protection, event, joined(asked.summary, rollback.snapshot_id, summary))
    return on_record(Decision(known.to_bytes()), record)


def on_record(decision: Decision, record: NewRecord | None) -> Decision:
    """Return the decision that publishes and keeps what was decided as well; the same where it is on record."""
    if record is None:
        return decision
    event = record.event
    line = Index(decisions_index(event.target), str(record.place), event.decided_at.timestamp(), MOST_KEPT)
    return replace(
        decision,
        emit=(*decision.emit, Emit(event, record.id)),
        records={**decision.records, decision_key(event.target, str(record.place)): as_json(event)},
        indexes=(*decision.indexes, line),
    )


def decisions_index(target: Target) -> str:
    """Return the index of a target's decisions: the places of their records, by time."""
    return f"decisions:{target}"


def decision_key(target: Target, place: str) -> str:
    return f"decision:{target}:{place}"


def _not_armed(command: Command) -> Emit:
    summary = "Recovery is not armed for this run, so it does not act for it."
    return command.failed(summary, Cause.REFUSED, Gate.true("armed", holds=False, detail=summary))


def roll_back_on_alert(before: Protection, alert: CriticalAlert, held: Armed, cause: str, now: datetime) -> Decision:
    """Keep the alert in the state, and roll the armed run back if the alert requires it; record either.

    ``cause``: the id of the message.
    """
    protection, trigger = alerts.note(before, alert), alerts.trigger_of(alert)
    digest = held.policy.digest if held.policy else ""
    why_not = alerts.why_not_while_armed(before, alert, now)
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


def disarm(protection: Protection, command: Disarm, asked: Command) -> Decision:
    """End the run's right to change anything, and answer whether a rollback has begun.

    ``target-disarmed`` is published even where the run is not armed: a Redis that was restored from an older copy may
    lack an arm that was published.
    """
    if protection.rollback_of(command.run_id) is not None:
        return Decision(emit=(asked.passed("A rollback has begun.", output=DisarmOutput(answer="rollback-started")),))
    answer = asked.passed("Disarmed.", output=DisarmOutput(answer="disarmed"))
    event = TargetDisarmed(target=command.target, run_id=command.run_id, reason="finished")
    published = Emit(event, caused_id(asked.id, "target-disarmed"))
    disarmed = arming.disarm(protection, command.run_id)
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
    return Decision(arming.release(protection).to_bytes(), emit=(disarmed, *change_answer), cancel_jobs=stopped)


def stop_change(protection: Protection, target: Target, why: str) -> tuple[tuple[Emit, ...], tuple[str, ...]]:
    """Return the answer to a change whose job has not ended, and the id of the job to cancel; else nothing."""
    held = protection.arm
    if held is None or held.change is None or held.change.ended:
        return (), ()
    command = Command.to(ApplyChange, target, held.run_id, held.change.job)
    return (command.failed(f"Stopped, since {why}.", Cause.REFUSED),), (held.change.job,)


def begin_rollback(protection: Protection, target: Target, rollback: RollingBack) -> Decision:
    """Begin a rollback in one decision: state, job, event and operation; the job of the run's change is cancelled.

    The caller has made sure that no rollback is under way and that the run has had none.
    """
    name = rollback.rollback_id
    work = RollbackWork(target=target, rollback_id=name).to_bytes()
    started = RollbackStarted(
        target=target,
        run_id=rollback.run_id,
        rollback_id=name,
        trigger=rollback.trigger,
        snapshot_id=rollback.snapshot_id,
        detail=rollback.triggered_by.detail if isinstance(rollback.triggered_by, AlertTrigger) else "",
        deployment_id=rollback.deployment_id,
        task_definition=rollback.judged if rollback.deployment_id else None,
        triggered_by=rollback.triggered_by,
    )
    change_answer, stopped = stop_change(protection, target, f"a rollback has begun ({rollback.trigger})")
    return Decision(
        rolling.begin(protection, rollback).to_bytes(),
        emit=(Emit(started, caused_id(rollback.run_id or name, "rollback-started")), *change_answer),
        jobs=(Job(name, ROLL_BACK, work),),
        cancel_jobs=stopped,
        timers=(_overdue(name, (rollback.started_at + OVERDUE).timestamp(), work),),
        records=RecoveryOperation.of_rollback(target, rollback).record,
    )


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
        timers=(_overdue(event.rollback_id, (began_at + OVERDUE).timestamp(), work), resumed),
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
        rollback_id=event.rollback_id, run_id=None, result=event.result, rollback=event.rollback, detail=event.detail
    )
    return Decision(
        brought.replace(rollback=None, past=(*protection.past, past)[-MOST_PAST:]).to_bytes(),
        cancel_timers=(f"overdue:{event.rollback_id}", f"resume:{event.rollback_id}"),
        cancel_jobs=(event.rollback_id,),
    )


def _overdue(rollback_id: str, due: float, work: bytes) -> Timer:
    return Timer(f"overdue:{rollback_id}", "overdue", due, work)


def wait_until(work: RollbackWork, due: float) -> Transition:
    """Let the rollback count as failed no earlier than ``due`` (epoch seconds); do nothing if it has ended."""

    def decide(state: bytes | None) -> Decision:
        rollback = Protection.from_bytes(state).rollback
        if rollback is None or rollback.rollback_id != work.rollback_id:
            return Decision()
        return Decision(timers=(_overdue(work.rollback_id, due, work.to_bytes()),))

    return Transition(key_of(work.target), decide)


def overdue(work: RollbackWork, due: float, now: datetime) -> Transition:
    """End a rollback whose job does not end, once it has had the time for a look: recovery may just have come back."""
    at = now.timestamp()
    if not work.overdue or at - due > LATE_TIMER:
        return wait_until(work.replace(overdue=True), at + OVERDUE_MARGIN)
    ended = rolling.Failed("The rollback did not end by itself; look at the service.")
    return end_rollback(work, ended, now, cancel=True)


def end_rollback(work: RollbackWork, ended: rolling.Ended, now: datetime, *, cancel: bool = False) -> Transition:
    """Publish a rollback's result and answer the commands that wait for it; do nothing if it has ended before."""

    def decide(state: bytes | None) -> Decision:
        protection = Protection.from_bytes(state)
        rollback = protection.rollback
        if rollback is None or rollback.rollback_id != work.rollback_id:
            return Decision()
        protection, past = rolling.end(protection, rollback, ended, now)
        event = RollbackFinished(
            target=work.target,
            run_id=rollback.run_id,
            rollback_id=past.rollback_id,
            result=past.result,
            rollback=past.rollback,
            detail=past.detail,
            deployment_id=ended.deployment_id if isinstance(ended, rolling.Done) else "",
        )
        begun = RecoveryOperation.of_rollback(work.target, rollback)
        end = begun.failed if past.result == "failed" else begun.finished
        operation = end(past.detail, now, result=past.result, detail=past.detail, rollback=past.rollback)
        answers = (
            rolled_back(Command.to(RollBack, work.target, rollback.run_id, command_id), past)
            for command_id in rollback.commands
            if rollback.run_id is not None
        )
        timers = (f"overdue:{work.rollback_id}",)
        return Decision(
            protection.to_bytes(),
            emit=(
                Emit(event, caused_id(rollback.run_id or past.rollback_id, "rollback-finished")),
                *answers,
            ),
            cancel_timers=timers if rollback.run_id is None else (*timers, expiry_id(rollback.run_id)),
            cancel_jobs=(work.rollback_id,) if cancel else (),
            records=operation.record,
        )

    return Transition(key_of(work.target), decide)
