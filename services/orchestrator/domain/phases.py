"""The phases of a run: what the answers to each lead to.

``advance`` is the one question, asked after every answer and at every deadline: what follows from what is known now?
"""

from contracts.deployment import Cause, Outcome, Phase
from contracts.gates import Gate, Verdict, worst
from contracts.overrides import OVERRIDABLE
from contracts.recovery import ApplyChange
from contracts.results import PreflightOutput, SnapshotOutput
from services.orchestrator.domain import endings, quiet
from services.orchestrator.domain.effects import RunTurn
from services.orchestrator.domain.judge import (
    APPLY_CHANGE,
    NO_OVERRIDE,
    changed_nothing,
    gates_of,
    gates_of_stage,
    how_to_override,
    overridden,
    requires_rollback,
    sentence,
    superseded,
)
from services.orchestrator.domain.limits import APPLYING, GRACE
from services.orchestrator.domain.migrating import (
    keeps_ecs_from_going_back,
    migrate,
    nothing_changed,
    seconds_of,
    step_of,
    why_not_changed,
)
from services.orchestrator.domain.opening import capture_snapshot, change_of, watch_closely, watch_deployment
from services.orchestrator.domain.proceed import proceed, stop
from services.orchestrator.domain.releases import stopped_by, why_stopped
from services.orchestrator.domain.run import Run
from services.orchestrator.domain.run_parts import Stage, Step
from services.orchestrator.domain.steps import asks_again, cause_of, close, send


def advance(run: Run, now: float) -> RunTurn:
    """Draw the consequences of what is known: wait, send more, go on to the next phase, or begin to end."""
    stage = run.stage
    if stage is None:
        return run
    match stage.phase:
        case Phase.PRE_DEPLOYMENT_VALIDATION:
            return (yield from _before_the_change(run, stage, now))
        case Phase.DEPLOYMENT_MONITORING:
            return (yield from _change(run, stage, now))
        case Phase.POST_DEPLOYMENT_VALIDATION:
            return (yield from _prove(run, stage, now))
        case Phase.MONITORING_SETUP | Phase.OPTIMIZATION_ANALYSIS:
            return (yield from _advise(run, stage, now))
        case _:
            return (yield from _judge(run, now))


def _before_the_change(run: Run, stage: Stage, now: float) -> RunTurn:
    if not run.over(now) and not all(step.answer for step in stage.steps):
        return run
    request = run.request
    asked = {step.name: overridden(gates_of(step), request.overrides, request.actor) for step in stage.steps}
    gates, missing = tuple(gate for of_step in asked.values() for gate in of_step), _missing(run)
    if worst(gate.counts_as for gate in gates) is Verdict.PASS:
        gates += missing
    if (held := stopped_by(run, now)) is not None:
        gates += (Gate.true("not_held", False, detail=why_stopped(run, held)),)
    verdict = worst(gate.counts_as for gate in gates)
    if verdict is not Verdict.PASS and run.request.past_checks:
        return (yield from _ask_until_they_pass_again(run, gates, now))
    run = yield from close(run, verdict, now, gates)
    if verdict is Verdict.PASS:
        return (yield from proceed(run, now))
    if held is not None:
        return (yield from stop(run, held, now))
    blocking = [step for step in stage.steps if any(gate.counts_as is not Verdict.PASS for gate in asked[step.name])]
    causes = {step.cause for step in blocking}
    cause = next((cause for cause in (Cause.USAGE, Cause.TIMEOUT) if cause in causes), Cause.GATE)
    reason = f"Nothing was changed. {sentence(gates)}.{how_to_override((*gates, *missing))}"
    return (yield from endings.finish(run, Outcome.BLOCKED, cause, reason, now=now))


def _ask_until_they_pass_again(run: Run, gates: tuple[Gate, ...], now: float) -> RunTurn:
    """The checks of this run have passed once, and its change may be live: it cannot end as blocked any more."""
    if not run.over(now):
        return run
    run = yield from close(run, Verdict.INCONCLUSIVE, now, gates)
    reason = (
        "Redis was restored from a copy of before the change, and the checks that let the run go on did not pass again "
        f"in time: {sentence(gates)}. The change may be live: look at the service."
    )
    return (yield from endings.disarm(run, Outcome.FAILED, Cause.TIMEOUT, reason, now))


def _missing(run: Run) -> tuple[Gate, ...]:
    """Return gates for what the next phase cannot do without, where overrides let its absence pass."""
    gates = []
    if run.output(SnapshotOutput) is None:
        detail = "Without a snapshot there is nothing to go back to."
        gates.append(Gate.true("snapshot_at_hand", False, detail=detail))
    preflight = run.output(PreflightOutput)
    resolved = preflight is not None and bool(preflight.images or preflight.task_definition)
    if not run.observes and not resolved:
        detail = "Preflight did not say exactly what to apply."
        gates.append(Gate.true("change_resolved", False, detail=detail))
    return tuple(gates)


def _change(run: Run, stage: Stage, now: float) -> RunTurn:
    arm = stage.steps[0]
    if arm.answer is None and not run.over(now):
        return run
    if len(stage.steps) == 1:
        if not arm.passed or run.over(now):
            return (yield from _not_armed(run, arm, now))
        run = yield from _migrate_or_apply(run, stage, now)
    elif stage.step(APPLY_CHANGE) is None and (migrating := step_of(stage)) is not None:
        return (yield from _after_the_migration(run, stage, migrating, now))
    elif (refused := _refused(run, stage)) is not None:
        return (yield from _not_changed(run, refused, now))
    elif _may_watch(run, stage):
        run = yield from _watch(run, now)
    return (yield from _judge(run, now))


def _migrate_or_apply(run: Run, stage: Stage, now: float) -> RunTurn:
    command = migrate(run)
    if command is None:
        return (yield from _apply(run, now))
    run = run.with_stage(stage.replace(deadline=now + seconds_of(run) + GRACE))
    return (yield from send(run, command))


def _after_the_migration(run: Run, stage: Stage, migrating: Step, now: float) -> RunTurn:
    """Make the change once the migration has succeeded; otherwise nothing is changed, and the end says what may be."""
    if migrating.answer is None and not run.over(now):
        return run
    looking = quiet.step_of(stage)
    if migrating.passed and looking is not None and now < run.deadline:
        return (yield from _change_once_quiet(run, looking, now))
    if migrating.passed and not run.over(now):
        if not run.request.past_checks:  # then the change may be live, and what fires may be its doing
            return (yield from quiet.look(run, stage, *_migrated(stage, migrating, now), now))
        return (yield from _apply_behind(run, now))
    cause, reason = why_not_changed(migrating)
    run = yield from close(run, Verdict.FAIL, now, gates_of(migrating))
    return (yield from endings.disarm(run, Outcome.BLOCKED, cause, reason, now))


def _change_once_quiet(run: Run, looking: Step, now: float) -> RunTurn:
    """Make the change once the alarms are quiet, or nobody can see them; block it where one fires for too long."""
    if quiet.waits(run, looking, now):
        return run
    reason, gates = quiet.why_not(run, looking)
    if not reason:
        return (yield from _apply_behind((yield from quiet.settle(run, looking, now)), now))
    run = yield from close(run, Verdict.FAIL, now, gates)
    return (yield from endings.disarm(run, Outcome.BLOCKED, Cause.GATE, reason, now))


def _migrated(stage: Stage, migrating: Step, now: float) -> tuple[float, float]:
    """Return when the migration was asked for, as soon as recovery stood ready, and when it was known to be over."""
    arm = stage.steps[0]
    began = arm.answer.at if arm.answer is not None else stage.started_at
    return began, migrating.answer.at if migrating.answer is not None else now


def _apply_behind(run: Run, now: float) -> RunTurn:
    run = run.with_stage(run.stages[-1].replace(deadline=now + APPLYING + run.rollout_bound.first + GRACE))
    return (yield from _apply(run, now))


def _refused(run: Run, stage: Stage) -> Step | None:
    """Return the step whose change was refused, with nothing changed.

    Not where Redis was restored from a copy of before the change: an earlier answer, which is lost, may have been
    another one.
    """
    applied = stage.step(APPLY_CHANGE)
    return applied if applied is not None and changed_nothing(applied) and not run.request.past_checks else None


def _not_changed(run: Run, refused: Step, now: float) -> RunTurn:
    """End as blocked: AWS refused the change, and a rollback has nothing to undo."""
    gates = gates_of(refused)
    run = yield from close(run, Verdict.FAIL, now, gates)
    why = refused.answer.summary if refused.answer else f"{sentence(gates)}."
    may_pass = [gate for gate in gates if gate.name in OVERRIDABLE]
    reason = f"{nothing_changed(run)} {why}{how_to_override(may_pass) if may_pass else NO_OVERRIDE}"
    return (yield from endings.disarm(run, Outcome.BLOCKED, refused.cause or Cause.ERROR, reason, now))


def _may_watch(run: Run, stage: Stage) -> bool:
    """Whether our change is there and nobody watches it yet."""
    applied = stage.step(APPLY_CHANGE)
    applied_ours = applied is not None and applied.passed and change_of(run) is not None
    return applied_ours and stage.step("watch-deployment") is None


def _not_armed(run: Run, arm: Step, now: float) -> RunTurn:
    gates = gates_of(arm)
    run = yield from close(run, Verdict.INCONCLUSIVE if arm.passed else worst(g.verdict for g in gates), now, gates)
    why = sentence(gates) or "arming took too long"
    if run.request.past_checks:
        return (yield from _may_have_changed(run, arm, why, now))
    reason = f"Nothing was changed, since recovery does not stand ready: {why}.{NO_OVERRIDE}"
    cause = arm.cause or (Cause.TIMEOUT if arm.passed else Cause.GATE)
    return (yield from endings.disarm(run, Outcome.BLOCKED, cause, reason, now))


def _may_have_changed(run: Run, arm: Step, why: str, now: float) -> RunTurn:
    """Undo a change that may be live, if recovery stands ready: the run cannot end as blocked any more."""
    reason = f"Redis was restored from a copy of before the change, and {why}. The change may be live"
    if arm.passed and run.may_roll_back:
        return (yield from endings.roll_back(run, "the change may be live", Cause.TIMEOUT, f"{reason}.", now))
    return (yield from endings.disarm(run, Outcome.FAILED, Cause.TIMEOUT, f"{reason}: look at the service.", now))


def _apply(run: Run, now: float) -> RunTurn:
    if run.observes:
        run = yield from send(run, watch_closely(run, run.deadline))
        return (yield from _watch(run, now))
    resolved = run.output(PreflightOutput) or PreflightOutput()
    change = ApplyChange(
        target=run.target,
        run_id=run.run_id,
        images=resolved.images,
        task_definition=resolved.task_definition,
        change=run.request.change,
        without_ecs_rollback=keeps_ecs_from_going_back(run),
    )
    return (yield from send(run, change, watch_closely(run, run.deadline)))


def _watch(run: Run, now: float) -> RunTurn:
    """Watch our deployment, or the one that somebody else starts; the phase's deadline follows from that."""
    run = run.with_stage(run.stages[-1].replace(deadline=now + run.rollout_bound.first + GRACE))
    return (yield from send(run, watch_deployment(run, now)))


def _prove(run: Run, stage: Stage, now: float) -> RunTurn:
    """Snapshot what is live only when it has been validated: such a snapshot counts as a proven version."""
    validated = stage.step("validate-deployment")
    if validated is not None and validated.passed and stage.step("capture-snapshot") is None:
        run = yield from send(run, capture_snapshot(run, "after-change"))
    return (yield from _judge(run, now))


def _judge(run: Run, now: float) -> RunTurn:
    """After the change the step's own verdict counts: who measured knows which of its gates decide.

    A fail rolls back at once. What has no verdict is waited for, and asked again, while there is time.
    """
    stage = run.stages[-1]
    over = run.over(now)
    moved = next((step for step in stage.steps if superseded(step)), None)
    if moved is not None and moved.answer is not None:
        run = yield from close(run, Verdict.INCONCLUSIVE, now)
        reason = f"Somebody else moved the service: {moved.answer.summary}"
        return (yield from endings.disarm(run, Outcome.SUPERSEDED, Cause.SUPERSEDED, reason, now))
    forgotten = run.request.past_checks
    failing = next((step for step in stage.steps if requires_rollback(step, over=over, forgotten=forgotten)), None)
    if failing is not None:
        run = yield from close(run, Verdict.FAIL, now, gates_of_stage(stage, over=over))
        gates = gates_of(failing)
        failed = [gate for gate in gates if gate.verdict is Verdict.FAIL] or gates
        return (yield from endings.begin_rollback_or_fail(run, failed, failing.cause or Cause.GATE, now))
    if all(step.passed for step in stage.steps):
        return (yield from _next(run, Verdict.PASS, now))
    waiting = any(step.answer is None or asks_again(run, step, now) for step in stage.steps)
    if waiting and not over:
        return run
    run = yield from close(run, Verdict.INCONCLUSIVE, now, gates_of_stage(stage, over=over))
    unsettled = [step for step in stage.steps if not step.passed]
    return (yield from endings.give_up(run, unsettled, cause_of(stage.steps), now))


def _advise(run: Run, stage: Stage, now: float) -> RunTurn:
    """What fails here is a warning on a healthy deployment, on the record."""
    if not run.over(now) and not all(step.answer for step in stage.steps):
        return run
    verdicts = (step.answer.verdict if step.answer else Verdict.INCONCLUSIVE for step in stage.steps)
    return (yield from _next(run, worst(verdicts), now))


def _next(run: Run, verdict: Verdict, now: float) -> RunTurn:
    run = yield from close(run, verdict, now, gates_of_stage(run.stages[-1], over=True))
    return (yield from proceed(run, now))
