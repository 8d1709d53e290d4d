"""How a phase begins: its deadline, and what it asks of whom."""

from datetime import datetime
from typing import Literal

from contracts.base import Event
from contracts.deployment import CheckUp, Phase, PhaseStarted
from contracts.diagnostics import RunDiagnostics
from contracts.health import AssessHealth, StartHealthChecks, WatchDeployment
from contracts.monitor import CheckAlarms, EvaluateRules, SetUpMonitoring, WatchClosely
from contracts.optimizer import AnalyzeResources
from contracts.policy import Baking
from contracts.policy_parts import HealthPolicy, MonitoringPolicy, PreflightPolicy, RecoveryPolicy, ValidationPolicy
from contracts.recovery import Arm, CaptureSnapshot
from contracts.results import ChangeOutput, PreflightOutput, ProbesOutput, RolloutOutput, SnapshotOutput
from contracts.validator import RunPreflight, ValidateDeployment
from services.orchestrator.domain.effects import Publish, RunTurn
from services.orchestrator.domain.limits import EVIDENCE, MINUTE, moment, phase_limit, run_limit
from services.orchestrator.domain.migrating import check_migration, longest_of
from services.orchestrator.domain.run import Run
from services.orchestrator.domain.run_parts import Stage
from services.orchestrator.domain.steps import send


def begin(run: Run, phase: Phase, now: float) -> RunTurn:
    """Start a phase and send what it asks for. How long the run may take follows from what is known by then."""
    config, bound = run.request.config, run.rollout_bound
    deadline = now + phase_limit(phase, config, bound.first)
    longest = run.started_at + run.held + run_limit(config, bound.longest) + longest_of(run)
    run = run.replace(deadline=max(run.deadline, longest))
    run = run.replace(stages=(*run.stages, Stage(phase=phase, started_at=now, deadline=deadline)))
    started = PhaseStarted(target=run.target, run_id=run.run_id, phase=phase, deadline=moment(deadline))
    yield Publish(started, run.id_in_phase("started"))
    return (yield from send(run, *_commands(run, now)))


def following(run: Run) -> Phase:
    """Return the phase after the one that the run is in; there is one after each but the last."""
    order = tuple(Phase)
    after = order[order.index(run.phase) + 1]
    skipped = after is Phase.OPTIMIZATION_ANALYSIS and not run.policy.auto_optimization
    return Phase.BAKING if skipped else after


def _commands(run: Run, now: float) -> tuple[Event, ...]:
    target, run_id, config, policy = run.target, run.run_id, run.request.config, run.policy
    match run.phase:
        case Phase.PRE_DEPLOYMENT_VALIDATION:
            return (
                capture_snapshot(run, "before-change"),
                RunDiagnostics(target=target, run_id=run_id),
                AssessHealth(
                    target=target,
                    run_id=run_id,
                    minimum_score=config.minimum_health_score,
                    policy=policy.part(HealthPolicy),
                ),
                _run_preflight(run),
                CheckAlarms(target=target, run_id=run_id, policy=policy.part(MonitoringPolicy)),
                *check_migration(run),
            )
        case Phase.DEPLOYMENT_MONITORING:
            return (
                (watch_closely(run, run.deadline), watch_deployment(run, now))
                if run.checks_up
                else (arm_until(run, run.armed_until),)
            )
        case Phase.POST_DEPLOYMENT_VALIDATION:
            deadline = moment(now + config.validation_timeout_minutes * MINUTE)
            preflight = run.output(PreflightOutput)
            before = preflight.baseline if preflight and _has_version_before(run) else None
            tests = policy.part(ValidationPolicy)
            return (ValidateDeployment(target=target, run_id=run_id, deadline=deadline, policy=tests, baseline=before),)
        case Phase.MONITORING_SETUP:
            return (
                SetUpMonitoring(target=target, run_id=run_id, policy=policy.part(MonitoringPolicy)),
                StartHealthChecks(target=target, run_id=run_id),
            )
        case Phase.OPTIMIZATION_ANALYSIS:
            return (AnalyzeResources(target=target, run_id=run_id),)
        case Phase.BAKING:
            return (_evaluate_rules(run, now),)


def _run_preflight(run: Run) -> RunPreflight:
    """Return the command, which takes the tests as well if they see the version before the change."""
    return RunPreflight(
        target=run.target,
        run_id=run.run_id,
        change=run.request.change,
        policy=run.policy.part(PreflightPolicy),
        baseline=run.policy.part(ValidationPolicy) if _has_version_before(run) else None,
    )


def _has_version_before(run: Run) -> bool:
    """Whether something changes, and certainly has not changed by the time of the first phase."""
    return not isinstance(run.request.change, CheckUp) and not run.request.past_checks


def capture_snapshot(run: Run, purpose: Literal["before-change", "after-change"]) -> CaptureSnapshot:
    policy = run.policy.part(RecoveryPolicy)
    return CaptureSnapshot(target=run.target, run_id=run.run_id, purpose=purpose, policy=policy)


def _evaluate_rules(run: Run, now: float) -> EvaluateRules:
    baking, ours = run.policy.service.baking if run.policy.service else Baking(), change_of(run)
    version = ours.task_definition if ours else observed_version(run)
    longest, applied_at = run.request.config.baking_minutes, _applied_at(run)
    return EvaluateRules(
        target=run.target,
        run_id=run.run_id,
        since=applied_at,
        not_before=moment(now + min(baking.minimum_minutes, longest) * MINUTE) if baking.minimum_minutes else None,
        took_over=moment(now),
        deadline=moment(max(now + longest * MINUTE, applied_at.timestamp() + EVIDENCE)),
        probes=run.output(ProbesOutput),
        task_definition=version,
        policy=run.policy.part(MonitoringPolicy),
    )


def arm_until(run: Run, until: float) -> Arm:
    """Return the command to stand ready until then; once the change has begun, recovery moves the expiry alone."""
    return Arm(
        target=run.target,
        run_id=run.run_id,
        snapshot_id=_snapshot(run),
        expires_at=moment(until),
        auto_recovery=run.may_roll_back,
        policy=run.policy.part(RecoveryPolicy),
    )


def watch_closely(run: Run, until: float) -> WatchClosely:
    policy = run.policy.part(MonitoringPolicy)
    return WatchClosely(target=run.target, run_id=run.run_id, until=moment(until), policy=policy)


def watch_deployment(run: Run, now: float) -> WatchDeployment:
    """Return the command to watch our deployment, the live one, or the next that somebody else starts."""
    ours, preflight, bound = change_of(run), run.output(PreflightOutput), run.rollout_bound
    live = preflight.live_deployment if preflight else None
    policy = run.policy.part(MonitoringPolicy)
    return WatchDeployment(
        target=run.target,
        run_id=run.run_id,
        deployment_id=ours.deployment_id if ours else live,
        task_definition=ours.task_definition if ours else None,
        deadline=moment(now + bound.least),
        pace=bound.pace,
        database=policy.monitoring.database if policy else None,
    )


def change_of(run: Run) -> ChangeOutput | None:
    """Return the deployment that this run's change created, once recovery has named it."""
    return run.output(ChangeOutput)


def observed_version(run: Run) -> str | None:
    """Return the task definition that somebody else deployed and this run watched until it was live, once it was."""
    rollout = run.output(RolloutOutput)
    return rollout.task_definition if rollout and run.observes else None


def _snapshot(run: Run) -> str:
    """Return the version to go back to: the last snapshot of before the change."""
    checks = (step for stage in run.stages if stage.phase is Phase.PRE_DEPLOYMENT_VALIDATION for step in stage.steps)
    outputs = [step.answer.output for step in checks if step.answer]
    snapshot = next((output for output in reversed(outputs) if isinstance(output, SnapshotOutput)), None)
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
