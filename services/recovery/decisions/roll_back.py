"""Begins a rollback, waits for it, and ends it."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from contracts.base import Target, caused_id
from contracts.deployment import Cause
from contracts.gates import Gate
from contracts.recovery import AlertTrigger, RollBack, RollbackFinished, RollbackStarted
from contracts.rollout_pace import LEAST_SILENCE
from services._chassis.commands import Command
from services._chassis.transition import Decision, Emit, Job, Timer, Transition
from services.recovery.decisions.arm import expiry_id
from services.recovery.decisions.change import stop_change
from services.recovery.decisions.helped import look_whether_it_helped
from services.recovery.domain.protection import PastRollback, Protection, RollingBack, key_of
from services.recovery.domain.rollback import roll_back as rolling
from services.recovery.domain.rollback.steps import Reached, steps_of
from services.recovery.domain.snapshots.known_version import UNKNOWN, Versions
from services.recovery.domain.work import RecoveryOperation, RollbackWork

ROLL_BACK = "rollback"
"""The kind of its job."""
OVERDUE_MARGIN = 300.0
"""Product seconds after a rollback's own deadline, after which it counts as failed if its job has not ended."""
OVERDUE = timedelta(seconds=LEAST_SILENCE + OVERDUE_MARGIN)
"""The same from its start, as long as nothing has moved; each progress extends it (``wait_until``)."""
LATE_TIMER = 60.0
"""Product seconds. A timer that fires so late shows that nobody was there to work either."""


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
        timers=(overdue_timer(name, (rollback.started_at + OVERDUE).timestamp(), work),),
        records=RecoveryOperation.of_rollback(target, rollback).record,
    )


def overdue_timer(rollback_id: str, due: float, work: bytes) -> Timer:
    return Timer(f"overdue:{rollback_id}", "overdue", due, work)


def wait_until(work: RollbackWork, due: float) -> Transition:
    """Let the rollback count as failed no earlier than ``due`` (epoch seconds); do nothing if it has ended."""

    def decide(state: bytes | None) -> Decision:
        rollback = Protection.from_bytes(state).rollback
        if rollback is None or rollback.rollback_id != work.rollback_id:
            return Decision()
        return Decision(timers=(overdue_timer(work.rollback_id, due, work.to_bytes()),))

    return Transition(key_of(work.target), decide)


def overdue(work: RollbackWork, due: float, now: datetime) -> Transition:
    """End a rollback whose job does not end, once it has had the time for a look: recovery may just have come back."""
    at = now.timestamp()
    if not work.overdue or at - due > LATE_TIMER:
        return wait_until(work.replace(overdue=True), at + OVERDUE_MARGIN)
    ended = rolling.Failed("The rollback did not end by itself; look at the service.")
    return end_rollback(work, ended, now, cancel=True)


def note_step(work: RollbackWork, reached: Reached, sentence: str) -> Transition:
    """Record the step that a rollback by hand has reached; do nothing if it has ended."""

    def decide(state: bytes | None) -> Decision:
        rollback = Protection.from_bytes(state).rollback
        if rollback is None or rollback.rollback_id != work.rollback_id:
            return Decision()
        return Decision(records=RecoveryOperation.of_rollback(work.target, rollback, reached, sentence).record)

    return Transition(key_of(work.target), decide)


def end_rollback(
    work: RollbackWork,
    ended: rolling.Ended,
    now: datetime,
    *,
    cancel: bool = False,
    taken_back: str = "",
    reached: Reached = Reached.MONITOR,
    versions: Versions | None = None,
) -> Transition:
    """Publish a rollback's result and answer the commands that wait for it; do nothing if it has ended before.

    ``taken_back``: the task definition (ARN) that was live when it began; empty where none was to be replaced.
    ``reached``: the step at which it has ended, where it did not bring the version back.
    ``versions``: what it has exchanged; None where its job cannot say it.
    """

    def decide(state: bytes | None) -> Decision:
        protection = Protection.from_bytes(state)
        rollback = protection.rollback
        if rollback is None or rollback.rollback_id != work.rollback_id:
            return Decision()
        if rollback.by_a_person:
            protection = protection.settle_taken_back("", rollback.rollback_id, taken_back)
        protection, past = rolling.end(protection, rollback, ended, now, versions or UNKNOWN)
        timers = (f"overdue:{work.rollback_id}",)
        brought = ended.deployment_id if isinstance(ended, rolling.Done) else ""
        return Decision(
            protection.to_bytes(),
            emit=(_finished(work.target, past, ended, versions or UNKNOWN), *_answers(work.target, rollback, past)),
            timers=look_whether_it_helped(work, rollback, past.result, brought, now),
            cancel_timers=timers if rollback.run_id is None else (*timers, expiry_id(rollback.run_id)),
            cancel_jobs=(work.rollback_id,) if cancel else (),
            records=_ended_operation(work.target, rollback, past, now, reached).record,
        )

    return Transition(key_of(work.target), decide)


def _finished(target: Target, past: PastRollback, ended: rolling.Ended, versions: Versions) -> Emit:
    done = ended if isinstance(ended, rolling.Done) else None
    event = RollbackFinished(
        target=target,
        run_id=past.run_id,
        rollback_id=past.rollback_id,
        result=past.result,
        rollback=past.rollback,
        detail=past.detail,
        deployment_id=done.deployment_id if done else "",
        untouched=done is not None and done.untouched,
        taken_back=versions.taken_back,
        brought_back=versions.brought_back,
    )
    return Emit(event, caused_id(past.run_id or past.rollback_id, "rollback-finished"))


def _answers(target: Target, rollback: RollingBack, past: PastRollback) -> Iterator[Emit]:
    """Yield the answers to the commands of a run that wait for the result."""
    if rollback.run_id is not None:
        for command_id in rollback.commands:
            yield rolled_back(Command.to(RollBack, target, rollback.run_id, command_id), past)


def _ended_operation(
    target: Target, rollback: RollingBack, past: PastRollback, now: datetime, reached: Reached
) -> RecoveryOperation:
    begun = RecoveryOperation.of_rollback(target, rollback)
    end = begun.failed if past.result == "failed" else begun.finished
    brought = past.result == "restored"
    last = Reached.VALIDATE if brought else reached
    return end(
        past.detail,
        now,
        result=past.result,
        detail=past.detail,
        rollback=past.rollback,
        steps=steps_of(rollback, last, past.detail, "done" if brought else "failed"),
    )


def rolled_back(command: Command, past: PastRollback) -> Emit:
    """Answer ``roll-back`` with the result: passed only if the snapshot's version is live and healthy."""
    gate = Gate.true("rolled_back", holds=past.result == "restored", detail=past.detail)
    summary = f"By {past.rollback.by}, after {past.rollback.seconds:.0f} s: {past.detail}"
    if past.result == "restored":
        return command.passed(summary, gate)
    return command.failed(summary, Cause.SUPERSEDED if past.result == "superseded" else Cause.ERROR, gate)
