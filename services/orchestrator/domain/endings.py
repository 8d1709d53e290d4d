"""How runs end: disarm or roll back first where recovery is armed, then publish the end, once."""

from collections.abc import Iterable

from contracts.catalogue import entry_of
from contracts.deployment import Cause, DeploymentFinished, Outcome, Rollback
from contracts.gates import Gate, Verdict
from contracts.recovery import AlertTrigger, Disarm, RollBack, RollbackFinished, RollbackStarted, Trigger
from contracts.results import ChangeOutput, DisarmOutput
from services.orchestrator.domain.effects import Ended, Publish, RunTurn, progress
from services.orchestrator.domain.judge import gates_of, sentence
from services.orchestrator.domain.limits import EXPIRY_MARGIN, GRACE, ROLLBACK
from services.orchestrator.domain.migrating import remark_on
from services.orchestrator.domain.opening import observed_version
from services.orchestrator.domain.run import Run
from services.orchestrator.domain.run_parts import Disarming, RollingBack, Step
from services.orchestrator.domain.steps import answered, close, command_step

_OUTCOMES = {
    "restored": Outcome.ROLLED_BACK,
    "superseded": Outcome.SUPERSEDED,
    "failed": Outcome.ROLLBACK_FAILED,
}


def finish(
    run: Run,
    outcome: Outcome,
    cause: Cause | None,
    reason: str,
    *,
    now: float,
    rollback: Rollback | None = None,
) -> RunTurn:
    """Decide how the run ends, and publish it. This is the only place that does."""
    finished = DeploymentFinished(
        target=run.target,
        run_id=run.run_id,
        outcome=outcome,
        cause=cause,
        reason=f"{reason}{remark_on(run, outcome)}",
        rollback=rollback,
        seconds=now - run.started_at,
    )
    yield Publish(finished, run.id_of("finished"))
    return (yield from take_end(run, finished))


def take_end(run: Run, finished: DeploymentFinished) -> RunTurn:
    """Take the run's end from the event that was published for it; nothing is published again."""
    at = run.started_at + finished.seconds
    if run.stage is not None:  # the state is older than the event
        verdict = Verdict.PASS if finished.outcome is Outcome.SUCCEEDED else Verdict.INCONCLUSIVE
        run = run.with_stage(run.stage.replace(verdict=verdict, finished_at=at))
    run = run.replace(
        outcome=finished.outcome,
        cause=finished.cause,
        reason=finished.reason,
        rollback=finished.rollback,
        finished_at=at,
        ending=None,
        hold=None,
        pause=None,
    )
    yield Ended(run)
    return run


def disarm(run: Run, outcome: Outcome, cause: Cause | None, reason: str, now: float) -> RunTurn:
    """End the run with this outcome once recovery has answered; at once if it was never asked to stand ready."""
    if not run.arm_was_sent:
        return (yield from finish(run, outcome, cause, reason, now=now))
    step = command_step(run, Disarm(target=run.target, run_id=run.run_id))
    yield Publish(step.command, step.id)
    deadline = run.armed_until + EXPIRY_MARGIN
    return run.ending_with(Disarming(outcome=outcome, cause=cause, reason=reason, step=step, deadline=deadline))


def roll_back(run: Run, trigger: str, cause: Cause | None, reason: str, now: float) -> RunTurn:
    """Have recovery bring the old version back; its result decides."""
    judged = observed_version(run)
    step = command_step(run, RollBack(target=run.target, run_id=run.run_id, trigger=trigger, task_definition=judged))
    yield Publish(step.command, step.id)
    run = run.ending_with(RollingBack(trigger=trigger, cause=cause, reason=reason, step=step, deadline=now + ROLLBACK))
    return (yield from progress(run, step.name, f"Rolling back: {trigger}.", now))


def begin_rollback_or_fail(run: Run, gates: Iterable[Gate], cause: Cause, now: float) -> RunTurn:
    """Roll back on these gates, or end ``failed`` where nobody wants that by itself."""
    gates = tuple(gates)
    reason = f"{_phase(run)} failed: {sentence(gates)}."
    if _changed_nothing(run):
        reason = f"{reason} Nothing is rolled back: the service ran this version already."
        return (yield from disarm(run, Outcome.FAILED, cause, reason, now))
    if run.leaves_no_way_back:
        reason = f"{reason} Nothing is rolled back over its migration, so the service was left as it is."
        return (yield from disarm(run, Outcome.FAILED, cause, reason, now))
    if run.may_roll_back:
        trigger = ", ".join(gate.name for gate in gates)
        return (yield from roll_back(run, trigger, cause, reason, now))
    reason = f"{reason} Automatic recovery is off, so the service was left as it is."
    return (yield from disarm(run, Outcome.FAILED, cause, reason, now))


def give_up(run: Run, unsettled: Iterable[Step], cause: Cause, now: float) -> RunTurn:
    """End ``failed`` for want of evidence: the service stays as it is."""
    summaries = (step.answer.summary if step.answer else sentence(gates_of(step)) for step in unsettled)
    missing = "; ".join(text.rstrip(".") for text in summaries)
    reason = f"{_phase(run)} came to no verdict in time: {missing}. The service was left as it is."
    return (yield from disarm(run, Outcome.FAILED, cause, reason, now))


def _why(trigger: Trigger) -> tuple[str, tuple[Gate, ...]]:
    """Return why a rollback began, as a phrase, and the failing gate that an alert makes."""
    if isinstance(trigger, AlertTrigger):
        gate = Gate.measured("critical_alerts", 1, "<=", 0, detail=trigger.detail)
        return f"critical-alert: {trigger.detail}", (gate,)
    return trigger.summary, ()


def recovery_began(run: Run, event: RollbackStarted, now: float) -> RunTurn:
    """Recovery rolls back: on our command, or by itself on an alert. What else went on is over."""
    ending = run.ending
    if isinstance(ending, RollingBack) and ending.rollback_id is not None:
        return run
    why, alert = _why(event.cause)
    run = yield from close(run, Verdict.FAIL, now, (*answered(run), *alert))
    if isinstance(ending, RollingBack):
        ending = ending.replace(rollback_id=event.rollback_id, deadline=max(ending.deadline, now + ROLLBACK))
    else:
        ending = RollingBack(
            trigger=event.trigger,
            cause=Cause.GATE,
            reason=f"Recovery rolled back by itself: {why}.",
            step=None,
            rollback_id=event.rollback_id,
            deadline=now + ROLLBACK,
        )
    message = f"Recovery brings back {event.snapshot_id}: {why}."
    return (yield from progress(run.ending_with(ending), entry_of(RollBack).name, message, now))


def recovery_finished(run: Run, event: RollbackFinished, now: float) -> RunTurn:
    """Take recovery's word for the end, even if its word on the beginning was lost."""
    run = yield from close(run, Verdict.FAIL, now)
    outcome, rollback = _result_of(run, event)
    if isinstance(run.ending, RollingBack):
        cause, reason = run.ending.cause, run.ending.reason
    else:
        cause, reason = Cause.GATE, f"Recovery rolled back by itself: {event.rollback.trigger}."
    if outcome is Outcome.SUPERSEDED:
        cause = Cause.SUPERSEDED
    whole = " ".join(filter(None, (reason, event.detail, _hold_of(run, event.rollback_id))))
    return (yield from finish(run, outcome, cause, whole, now=now, rollback=rollback))


def _result_of(run: Run, event: RollbackFinished) -> tuple[Outcome, Rollback | None]:
    outcome = _OUTCOMES[event.result]
    if event.untouched and outcome is Outcome.ROLLED_BACK and _was_stopped(run):
        return Outcome.ABORTED, None
    return outcome, event.rollback


def _was_stopped(run: Run) -> bool:
    """Whether a person or a newer request has ended the run, and nothing spoke against its version."""
    return isinstance(run.ending, RollingBack) and run.ending.cause in {None, Cause.SUPERSEDED}


def _hold_of(run: Run, rollback_id: str) -> str:
    """Return what is held since this rollback, and how that ends; ``""`` where nothing is."""
    begun = (hold for hold in run.version_holds if hold.id == rollback_id)
    return next((hold.sentence(run.target, run.policy.holds) for hold in begun), "")


def recovery_answered(run: Run, now: float) -> RunTurn:
    """Act on the answer to ``disarm`` or ``roll-back``, whichever was sent last."""
    ending = run.ending
    if ending is None or ending.step is None or ending.step.answer is None:
        return run
    answer = ending.step.answer
    if isinstance(ending, RollingBack):
        # rollback-finished has the result; a refusal may come without one, so it is not awaited for long
        patience = ROLLBACK if ending.step.passed else GRACE
        return run.replace(ending=ending.replace(deadline=min(ending.deadline, now + patience)))
    if not isinstance(answer.output, DisarmOutput):
        return run
    if answer.output.answer == "disarmed":
        return (yield from finish(run, ending.outcome, ending.cause, ending.reason, now=now))
    return run.replace(
        ending=RollingBack(
            trigger="recovery had begun before it was disarmed",
            cause=Cause.GATE,
            reason="Recovery had begun to roll back by itself.",
            step=None,
            deadline=now + ROLLBACK,
        )
    )


def expire(run: Run, now: float) -> RunTurn:
    """End the run without recovery's word once that can no longer be waited for."""
    ending = run.ending
    if ending is None or now < ending.deadline:
        return run
    if isinstance(ending, Disarming):
        reason = (
            f"{ending.reason} Recovery never confirmed that it stands down; its arm has expired by now, and what it "
            "did meanwhile is unknown: look at the service."
        )
        return (yield from finish(run, Outcome.FAILED, ending.cause or Cause.TIMEOUT, reason, now=now))
    answer = ending.step.answer if ending.step else None
    if answer is not None and answer.cause is Cause.SUPERSEDED:
        reason = f"{ending.reason} {answer.summary}"
        return (yield from finish(run, Outcome.SUPERSEDED, Cause.SUPERSEDED, reason, now=now))
    known = (
        f"Recovery said {answer.summary!r}, but never how the rollback ended"
        if answer
        else "Recovery did not answer within the time that a rollback may take"
    )
    reason = f"{ending.reason} {known}: look at the service."
    return (yield from finish(run, Outcome.ROLLBACK_FAILED, Cause.TIMEOUT, reason, now=now))


def abort(run: Run, actor: str, why: str, now: float) -> RunTurn:
    """Stop a run as a person wants it."""
    reason = f"Aborted by {actor}{': ' if why else ''}{why}".rstrip(".") + "."
    return (yield from stop(run, f"aborted by {actor}", reason, None, now))


def stop(run: Run, trigger: str, reason: str, cause: Cause | None, now: float) -> RunTurn:
    """Stop: nothing was changed, or the change is rolled back. A run that ends already goes on ending."""
    if run.ending is not None:
        return run
    run = yield from close(run, Verdict.INCONCLUSIVE, now)
    return (yield from undo(run, trigger, reason, now, cause))


def undo(run: Run, trigger: str, reason: str, now: float, cause: Cause | None = None) -> RunTurn:
    """End a run as a person wants it: nothing was changed, or the change is rolled back."""
    if _changed_nothing(run):
        reason = f"{reason} Nothing was changed: the service ran this version already."
    elif run.change_was_sent and run.leaves_no_way_back:
        reason = f"{reason} Nothing is rolled back over its migration: the new version was left live."
    elif run.change_was_sent:
        return (yield from roll_back(run, trigger, cause, reason, now))
    return (yield from disarm(run, Outcome.ABORTED, cause, reason, now))


def _changed_nothing(run: Run) -> bool:
    """Whether the service ran this version already, so that a rollback has nothing to go back to."""
    change = run.output(ChangeOutput)
    return change is not None and not change.changed


def _phase(run: Run) -> str:
    return run.phase.replace("_", " ").capitalize()
