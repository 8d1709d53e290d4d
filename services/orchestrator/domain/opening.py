"""How a phase begins: its deadline, and what it asks of whom."""

from datetime import datetime

from contracts.base import Event
from contracts.deployment import Phase, PhaseStarted
from contracts.diagnostics import RunDiagnostics
from contracts.health import AssessHealth, StartHealthChecks, WatchDeployment
from contracts.monitor import CheckAlarms, EvaluateRules, SetUpMonitoring, WatchClosely
from contracts.optimizer import AnalyzeResources
from contracts.recovery import Arm, CaptureSnapshot
from contracts.results import ChangeOutput, PreflightOutput, ProbesOutput, SnapshotOutput
from contracts.validator import RunPreflight, ValidateDeployment
from services.orchestrator.domain.effects import RunTurn, Tell
from services.orchestrator.domain.limits import MINUTE, moment, phase_limit
from services.orchestrator.domain.run import Run, Stage
from services.orchestrator.domain.steps import send


def begin(run: Run, phase: Phase, now: float) -> RunTurn:
    """Start a phase and send what it asks for."""
    deadline = now + phase_limit(phase, run.request.config)
    run = run.replace(stages=(*run.stages, Stage(phase=phase, started_at=now, deadline=deadline)))
    started = PhaseStarted(target=run.target, run_id=run.run_id, phase=phase, deadline=moment(deadline))
    yield Tell(started, run.id_of(f"{phase}:started"))
    return (yield from send(run, *_commands(run, now)))


def following(run: Run) -> Phase:
    """Return the phase after the one that the run is in; there is one after each but the last."""
    order = tuple(Phase)
    after = order[order.index(run.phase) + 1]
    skipped = after is Phase.OPTIMIZATION_ANALYSIS and not run.policy.auto_optimization
    return Phase.BAKING if skipped else after


def _commands(run: Run, now: float) -> tuple[Event, ...]:
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
            return (watch_closely(run), watch_deployment(run, now)) if run.checks_up else (_arm(run),)
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


def _arm(run: Run) -> Arm:
    return Arm(
        target=run.target,
        run_id=run.run_id,
        snapshot_id=_snapshot(run),
        expires_at=moment(run.armed_until),
        auto_recovery=run.may_roll_back,
    )


def watch_closely(run: Run) -> WatchClosely:
    return WatchClosely(target=run.target, run_id=run.run_id, until=moment(run.deadline))


def watch_deployment(run: Run, now: float) -> WatchDeployment:
    """Return the command to watch our deployment, the live one, or the next that somebody else starts."""
    ours, preflight = change_of(run), run.output(PreflightOutput)
    live = preflight.live_deployment if preflight else None
    return WatchDeployment(
        target=run.target,
        run_id=run.run_id,
        deployment_id=ours.deployment_id if ours else live,
        task_definition=ours.task_definition if ours else None,
        deadline=moment(now + run.request.config.deployment_timeout_minutes * MINUTE),
    )


def change_of(run: Run) -> ChangeOutput | None:
    """Return the deployment that this run's change created, once recovery has named it."""
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
    ours = change_of(run)
    if ours is not None:
        return ours.applied_at
    watched = (step.answer.at for step in run.steps if step.name == "watch-deployment" and step.answer)
    return moment(next(watched, run.started_at))
