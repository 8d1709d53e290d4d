"""The phases of a run: what each asks for, and what its answers lead to.

``advance`` is the one question, asked after every answer and at every deadline: what follows from what is known now?
"""

from datetime import datetime

from contracts.base import Event
from contracts.deployment import Cause, Outcome, Phase, PhaseStarted
from contracts.diagnostics import RunDiagnostics
from contracts.gates import Gate, Verdict, worst
from contracts.health import AssessHealth, StartHealthChecks, WatchDeployment
from contracts.monitor import CheckAlarms, EvaluateRules, SetUpMonitoring, WatchClosely
from contracts.optimizer import AnalyzeResources
from contracts.recovery import ApplyChange, Arm, CaptureSnapshot
from contracts.results import ChangeOutput, PreflightOutput, ProbesOutput, SnapshotOutput
from contracts.validator import RunPreflight, ValidateDeployment
from services.orchestrator.domain import endings
from services.orchestrator.domain.effects import RunTurn, Tell
from services.orchestrator.domain.judge import (
    APPLY_CHANGE,
    condemns,
    gates_of,
    how_to_override,
    overridden,
    sentence,
    superseded,
)
from services.orchestrator.domain.limits import GRACE, MINUTE, moment, phase_limit
from services.orchestrator.domain.run import Run, Stage, Step
from services.orchestrator.domain.steps import asks_again, cause_of, close, send

_ORDER = tuple(Phase)


def begin(run: Run, phase: Phase, now: float) -> RunTurn:
    """Start a phase and send what it asks for."""
    deadline = now + phase_limit(phase, run.request.config)
    run = run.but(stages=(*run.stages, Stage(phase=phase, started_at=now, deadline=deadline)))
    started = PhaseStarted(target=run.target, run_id=run.run_id, phase=phase, deadline=moment(deadline))
    yield Tell(started, run.id_of(f"{phase}:started"))
    return (yield from send(run, *_opening(run, now)))


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


def _opening(run: Run, now: float) -> tuple[Event, ...]:
    target, run_id, config = run.target, run.run_id, run.request.config
    match run.phase:
        case Phase.PRE_DEPLOYMENT_VALIDATION:
            return (
                CaptureSnapshot(target=target, run_id=run_id, purpose="before-change"),
                RunDiagnostics(target=target, run_id=run_id),
                AssessHealth(target=target, run_id=run_id, minimum_score=config.minimum_health_score),
                RunPreflight(target=target, run_id=run_id, change=run.request.change),
                CheckAlarms(target=target, run_id=run_id),
            )
        case Phase.DEPLOYMENT_MONITORING:
            arm = Arm(
                target=target,
                run_id=run_id,
                snapshot_id=_snapshot(run),
                expires_at=moment(run.armed_until),
                auto_recovery=run.may_roll_back,
            )
            return (arm,)
        case Phase.POST_DEPLOYMENT_VALIDATION:
            deadline = moment(now + config.validation_timeout_minutes * MINUTE)
            return (ValidateDeployment(target=target, run_id=run_id, deadline=deadline),)
        case Phase.MONITORING_SETUP:
            return (
                SetUpMonitoring(target=target, run_id=run_id),
                StartHealthChecks(target=target, run_id=run_id),
            )
        case Phase.OPTIMIZATION_ANALYSIS:
            return (AnalyzeResources(target=target, run_id=run_id),)
        case Phase.BAKING:
            rules = EvaluateRules(
                target=target,
                run_id=run_id,
                since=_applied_at(run),
                deadline=moment(now + config.baking_minutes * MINUTE),
                probes=run.output(ProbesOutput),
            )
            return (rules,)


def _over(run: Run, now: float) -> bool:
    """Whether no answer is waited for any more in the phase that goes on."""
    return run.stage is not None and now >= min(run.stage.deadline, run.deadline)


def _before_the_change(run: Run, stage: Stage, now: float) -> RunTurn:
    if not _over(run, now) and not all(step.answer for step in stage.steps):
        return run
    request = run.request
    asked = {step.name: overridden(gates_of(step), request.overrides, request.actor) for step in stage.steps}
    gates, missing = tuple(gate for of_step in asked.values() for gate in of_step), _missing(run)
    if worst(gate.counts_as for gate in gates) is Verdict.PASS:
        gates += missing
    verdict = worst(gate.counts_as for gate in gates)
    run = yield from close(run, verdict, now, gates)
    if verdict is Verdict.PASS:
        return (yield from begin(run, Phase.DEPLOYMENT_MONITORING, now))
    blocking = [step for step in stage.steps if any(gate.counts_as is not Verdict.PASS for gate in asked[step.name])]
    causes = {step.cause for step in blocking}
    cause = next((cause for cause in (Cause.USAGE, Cause.TIMEOUT) if cause in causes), Cause.GATE)
    hint = "" if missing else how_to_override(gates)
    reason = f"Nothing was changed. {sentence(gates)}.{hint}"
    return (yield from endings.finish(run, Outcome.BLOCKED, cause, reason, now=now))


def _missing(run: Run) -> tuple[Gate, ...]:
    """Return gates for what the next phase cannot do without, where overrides let its absence pass."""
    gates = []
    if run.output(SnapshotOutput) is None:
        detail = "Without a snapshot there is nothing to go back to; no override stands in for it."
        gates.append(Gate.true("snapshot_at_hand", False, detail=detail))
    preflight = run.output(PreflightOutput)
    resolved = preflight is not None and bool(preflight.images or preflight.task_definition)
    if not run.request.observes and not resolved:
        detail = "Preflight did not say exactly what to apply; no override stands in for it."
        gates.append(Gate.true("change_resolved", False, detail=detail))
    return tuple(gates)


def _change(run: Run, stage: Stage, now: float) -> RunTurn:
    arm = stage.steps[0]
    if arm.answer is None and not _over(run, now):
        return run
    if len(stage.steps) == 1:
        if not arm.passed or _over(run, now):
            return (yield from _not_armed(run, arm, now))
        run = yield from _apply(run, now)
    elif _may_watch(run, stage):
        run = yield from _watch(run, now)
    return (yield from _judge(run, now))


def _may_watch(run: Run, stage: Stage) -> bool:
    """Whether our change is there and nobody watches it yet."""
    applied = stage.step(APPLY_CHANGE)
    applied_ours = applied is not None and applied.passed and _ours(run) is not None
    return applied_ours and stage.step("watch-deployment") is None


def _not_armed(run: Run, arm: Step, now: float) -> RunTurn:
    gates = gates_of(arm)
    run = yield from close(run, Verdict.INCONCLUSIVE if arm.passed else worst(g.verdict for g in gates), now, gates)
    said = sentence(gates) or "arming took too long"
    reason = f"Nothing was changed, since recovery does not stand ready: {said}."
    cause = arm.cause or (Cause.TIMEOUT if arm.passed else Cause.GATE)
    return (yield from endings.disarm(run, Outcome.BLOCKED, cause, reason, now))


def _apply(run: Run, now: float) -> RunTurn:
    closely = WatchClosely(target=run.target, run_id=run.run_id, until=moment(run.deadline))
    if run.request.observes:
        run = yield from send(run, closely)
        return (yield from _watch(run, now))
    resolved = run.output(PreflightOutput) or PreflightOutput()
    change = ApplyChange(
        target=run.target,
        run_id=run.run_id,
        images=resolved.images,
        task_definition=resolved.task_definition,
    )
    return (yield from send(run, change, closely))


def _watch(run: Run, now: float) -> RunTurn:
    """Watch our deployment, or the one that somebody else starts; the phase's deadline follows from it."""
    ours = _ours(run)
    deadline = now + run.request.config.deployment_timeout_minutes * MINUTE
    run = run.with_stage(run.stages[-1].but(deadline=deadline + GRACE))
    watch = WatchDeployment(
        target=run.target,
        run_id=run.run_id,
        deployment_id=ours.deployment_id if ours else None,
        task_definition=ours.task_definition if ours else None,
        deadline=moment(deadline),
    )
    return (yield from send(run, watch))


def _prove(run: Run, stage: Stage, now: float) -> RunTurn:
    """Snapshot what is live only when it has been validated: such a snapshot counts as a proven version."""
    validated = stage.step("validate-deployment")
    if validated is not None and validated.passed and stage.step("capture-snapshot") is None:
        run = yield from send(run, CaptureSnapshot(target=run.target, run_id=run.run_id, purpose="after-change"))
    return (yield from _judge(run, now))


def _judge(run: Run, now: float) -> RunTurn:
    """After the change the step's own verdict counts: who measured knows which of its gates decide.

    A fail rolls back at once. What has no verdict is waited for, and asked again, while there is time.
    """
    stage = run.stages[-1]
    over = _over(run, now)
    moved = next((step for step in stage.steps if superseded(step)), None)
    if moved is not None and moved.answer is not None:
        run = yield from close(run, Verdict.INCONCLUSIVE, now)
        reason = f"Somebody else moved the service: {moved.answer.summary}"
        return (yield from endings.disarm(run, Outcome.SUPERSEDED, Cause.SUPERSEDED, reason, now))
    condemning = next((step for step in stage.steps if condemns(step, over=over)), None)
    if condemning is not None:
        run = yield from close(run, Verdict.FAIL, now, _gates(stage, over=over))
        gates = gates_of(condemning)
        blamed = [gate for gate in gates if gate.verdict is Verdict.FAIL] or gates
        return (yield from endings.condemn(run, blamed, condemning.cause or Cause.GATE, now))
    if all(step.passed for step in stage.steps):
        return (yield from _next(run, Verdict.PASS, now))
    waiting = any(step.answer is None or asks_again(run, step, now) for step in stage.steps)
    if waiting and not over:
        return run
    run = yield from close(run, Verdict.INCONCLUSIVE, now, _gates(stage, over=over))
    unsettled = [step for step in stage.steps if not step.passed]
    return (yield from endings.give_up(run, unsettled, cause_of(stage.steps), now))


def _advise(run: Run, stage: Stage, now: float) -> RunTurn:
    """What fails here is a warning on a healthy deployment, on the record."""
    if not _over(run, now) and not all(step.answer for step in stage.steps):
        return run
    verdicts = (step.answer.verdict if step.answer else Verdict.INCONCLUSIVE for step in stage.steps)
    return (yield from _next(run, worst(verdicts), now))


def _next(run: Run, verdict: Verdict, now: float) -> RunTurn:
    run = yield from close(run, verdict, now, _gates(run.stages[-1], over=True))
    if run.phase is Phase.BAKING:
        warnings = [stage.phase.replace("_", " ") for stage in run.stages if stage.verdict is not Verdict.PASS]
        warning = f" Without harm to it: {', '.join(warnings)} did not pass." if warnings else ""
        reason = f"Every check passed and every rule held.{warning}"
        return (yield from endings.disarm(run, Outcome.SUCCEEDED, None, reason, now))
    following = _ORDER[_ORDER.index(run.phase) + 1]
    if following is Phase.OPTIMIZATION_ANALYSIS and not run.policy.auto_optimization:
        following = Phase.BAKING
    return (yield from begin(run, following, now))


def _gates(stage: Stage, *, over: bool) -> tuple[Gate, ...]:
    """Return the gates of what was answered, and when it is over of what was not, too."""
    return tuple(gate for step in stage.steps if over or step.answer for gate in gates_of(step))


def _ours(run: Run) -> ChangeOutput | None:
    return run.output(ChangeOutput)


def _snapshot(run: Run) -> str:
    snapshot = run.output(SnapshotOutput)
    if snapshot is None:
        raise AssertionError("no run gets to its second phase without a snapshot")
    return snapshot.snapshot_id


def _applied_at(run: Run) -> datetime:
    """Return since when the new version answers for what is measured.

    For a deployment that somebody else started this is when the watch saw it healthy: earlier points may be the
    old version's.
    """
    ours = _ours(run)
    if ours is not None:
        return ours.applied_at
    watched = (step.answer.at for step in run.steps if step.name == "watch-deployment" and step.answer)
    return moment(next(watched, run.started_at))
