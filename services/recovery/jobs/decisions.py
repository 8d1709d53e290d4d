"""How work is begun and ended: the decisions that bus, timers, jobs and API share. No I/O in here."""

from datetime import datetime, timedelta

from contracts.base import Target, caused_id
from contracts.deployment import Cause
from contracts.gates import Gate
from contracts.recovery import AlertTrigger, RollbackFinished, RollbackStarted, TargetArmed
from contracts.results import ArmedOutput, StepFinished
from services._chassis.transition import Decision, Emit, Job, Timer, Transition, decided
from services.recovery.domain import roll_back as rolling
from services.recovery.domain.answer import Question
from services.recovery.domain.protection import Protection, RollingBack, key_of
from services.recovery.domain.snapshot import Purpose, new_id
from services.recovery.domain.work import CaptureWork, Expiry, Operation, RollbackWork

OVERDUE = timedelta(seconds=rolling.DEADLINE_SECONDS + 300)
"""After it a rollback whose job never ended is called failed."""


class NotPossible(Exception):
    """What is asked for cannot be done to this service; the text says why."""


def answer(step: StepFinished) -> Emit:
    """The same command always gets the same answer, under the same id."""
    return Emit(step, caused_id(step.command_id, "finished"))


def rollback_id(run_id: str) -> str:
    """Of a run: there is one at most, whoever asks for it and however often."""
    return f"rollback:{run_id}"


def expiry_id(run_id: str) -> str:
    return f"expire:{run_id}"


def armed(before: Protection, protection: Protection, question: Question) -> Decision:
    """The consequences of having armed: told, answered, and bounded in time.

    An arm that is replaced has expired, though its timer has not come yet: its change is stopped here.
    """
    held = protection.arm
    if held is None:
        raise ValueError("nobody is armed")
    event = TargetArmed(
        target=question.target,
        run_id=held.run_id,
        snapshot_id=held.snapshot_id,
        expires_at=held.expires_at,
    )
    output = ArmedOutput(expires_at=held.expires_at, snapshot_id=held.snapshot_id)
    said = question.passed(
        f"Armed with {held.snapshot_id} until {held.expires_at:%H:%M:%S} UTC.",
        Gate.true("target_free", holds=True),
        Gate.true("snapshot_stored", holds=True),
        output=output,
    )
    expiry = Expiry(target=question.target, run_id=held.run_id)
    timer = Timer(expiry_id(held.run_id), "expire", held.expires_at.timestamp(), expiry.model_dump_json().encode())
    extended = before.arm is not None and held.change is not None
    stopped, jobs = ((), ()) if extended else stop_change(before, question.target, "its arm has expired")
    emit = (Emit(event, caused_id(question.command_id, "target-armed")), answer(said), *stopped)
    return Decision(protection.write(), emit=emit, timers=(timer,), cancel_jobs=jobs)


def begin_capture(target: Target, job: str, run_id: str | None, purpose: Purpose, now: datetime) -> Transition:
    """The snapshot's id is fixed here, so that every attempt of the job finds the same object."""
    work = CaptureWork(target=target, snapshot_id=new_id(now, job), run_id=run_id, purpose=purpose)
    operation = Operation(
        id=job, kind="snapshot", target=target, state="running", started_at=now, snapshot_id=work.snapshot_id
    )
    return decided(
        jobs=(Job(job, "capture-snapshot", work.model_dump_json().encode()),),
        records={operation.key: operation.write()},
    )


def stop_change(protection: Protection, target: Target, why: str) -> tuple[tuple[Emit, ...], tuple[str, ...]]:
    """The answer to a change whose job has not ended, and the job to cancel."""
    held = protection.arm
    if held is None or held.change is None or held.change.ended:
        return (), ()
    question = Question(target, held.run_id, held.change.job, "apply-change")
    said = answer(question.failed(f"Stopped, since {why}.", Cause.REFUSED))
    return (said,), (held.change.job,)


def begin_rollback(protection: Protection, target: Target, rollback: RollingBack) -> Decision:
    """One step: the state, the job, the word to the others, and the end of our own change's job.

    The caller has made sure that none is under way and that the run has had none.
    """
    name = rollback.rollback_id
    work = RollbackWork(target=target, rollback_id=name).model_dump_json().encode()
    started = RollbackStarted(
        target=target,
        run_id=rollback.run_id,
        rollback_id=name,
        trigger=rollback.trigger,
        snapshot_id=rollback.snapshot_id,
        detail=rollback.triggered_by.detail if isinstance(rollback.triggered_by, AlertTrigger) else "",
        triggered_by=rollback.triggered_by,
    )
    operation = Operation(
        id=name,
        kind="rollback",
        target=target,
        state="running",
        started_at=rollback.started_at,
        snapshot_id=rollback.snapshot_id,
    )
    said, stopped = stop_change(protection, target, f"a rollback has begun ({rollback.trigger})")
    due = (rollback.started_at + OVERDUE).timestamp()
    return Decision(
        rolling.begin(protection, rollback).write(),
        emit=(Emit(started, caused_id(rollback.run_id or name, "rollback-started")), *said),
        jobs=(Job(name, "rollback", work),),
        cancel_jobs=stopped,
        timers=(Timer(f"overdue:{name}", "overdue", due, work),),
        records={operation.key: operation.write()},
    )


def end_rollback(work: RollbackWork, ended: rolling.Ended, now: datetime, *, cancel: bool = False) -> Transition:
    """The result, told once; nothing if somebody else has ended it before."""

    def decide(state: bytes | None) -> Decision:
        protection = Protection.read(state)
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
        )
        operation = Operation(
            id=past.rollback_id,
            kind="rollback",
            target=work.target,
            state="finished",
            started_at=rollback.started_at,
            finished_at=now,
            snapshot_id=rollback.snapshot_id,
            result=past.result,
            detail=past.detail,
            rollback=past.rollback,
        )
        answers = (
            answer(Question(work.target, rollback.run_id, command, "roll-back").rolled_back(past))
            for command in rollback.commands
            if rollback.run_id is not None
        )
        timers = (f"overdue:{work.rollback_id}",)
        return Decision(
            protection.write(),
            emit=(
                Emit(event, caused_id(rollback.run_id or past.rollback_id, "rollback-finished")),
                *answers,
            ),
            cancel_timers=timers if rollback.run_id is None else (*timers, expiry_id(rollback.run_id)),
            cancel_jobs=(work.rollback_id,) if cancel else (),
            records={operation.key: operation.write()},
        )

    return Transition(key_of(work.target), decide)
