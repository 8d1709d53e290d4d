"""A check-up: what is live goes through all phases, and nothing is armed, changed or rolled back.

Nothing depends on an earlier phase, so a phase that does not pass does not end the check-up: its end shows them all.
"""

from contracts.deployment import Cause, Outcome, Phase
from contracts.gates import Verdict, worst
from contracts.results import PreflightOutput
from services.orchestrator.domain import endings
from services.orchestrator.domain.effects import RunTurn, progress
from services.orchestrator.domain.judge import (
    NO_OVERRIDE,
    gates_of_stage,
    proven,
    sentence,
    success_of,
    superseded,
    warning_of,
    why_not_proven,
)
from services.orchestrator.domain.opening import capture_snapshot
from services.orchestrator.domain.proceed import proceed
from services.orchestrator.domain.run import Run
from services.orchestrator.domain.run_parts import Stage, Step
from services.orchestrator.domain.steps import asks_again, cause_of, close, send

ANNOUNCEMENT = (
    "No deployment is under way: this is a check-up of what is live. Nothing is armed, and nothing is rolled back."
)
ADVISORY = frozenset({Phase.MONITORING_SETUP, Phase.OPTIMIZATION_ANALYSIS})
"""What does not pass in these phases is a warning: it is no evidence against what is live."""
PATIENT = frozenset({Phase.DEPLOYMENT_MONITORING, Phase.POST_DEPLOYMENT_VALIDATION, Phase.BAKING})
"""Evidence grows in these phases, so a step without a verdict is asked again until their deadline."""


def advance(run: Run, now: float) -> RunTurn:
    """Wait for the phase's answers, then go on; end early where there is no such service, or somebody deploys."""
    stage = run.stage
    if stage is None:
        return run
    moved = next((step for step in stage.steps if superseded(step)), None)
    if moved is not None and moved.answer is not None:
        run = yield from close(run, Verdict.INCONCLUSIVE, now)
        reason = f"The check-up ended, since somebody has deployed meanwhile: {moved.answer.summary}"
        return (yield from endings.finish(run, Outcome.SUPERSEDED, Cause.SUPERSEDED, reason, now=now))
    if not run.over(now):
        run = yield from _snapshot_of_the_proven(run, stage)
        if any(_may_come(run, step, now) for step in run.stages[-1].steps):
            return run
    return (yield from _go_on(run, run.stages[-1], now))


def _may_come(run: Run, step: Step, now: float) -> bool:
    """Whether an answer with a verdict may still come."""
    if step.answer is None:
        return True
    patient = run.phase in PATIENT or run.request.past_checks
    return step.answer.verdict is Verdict.INCONCLUSIVE and patient and asks_again(run, step, now)


def _snapshot_of_the_proven(run: Run, stage: Stage) -> RunTurn:
    """Store what is live once it has passed the tests and everything before them: that is a version to go back to."""
    validated = stage.step("validate-deployment")
    if validated is None or not validated.passed or stage.step("capture-snapshot") is not None:
        return run
    if any(before.verdict is not Verdict.PASS for before in run.stages[:-1]):
        return run
    return (yield from send(run, capture_snapshot(run, "after-change")))


def _go_on(run: Run, stage: Stage, now: float) -> RunTurn:
    gates = gates_of_stage(stage, over=True)
    cause = cause_of(stage.steps)
    run = yield from close(run, worst(gate.verdict for gate in gates), now, gates)
    if stage.phase is Phase.PRE_DEPLOYMENT_VALIDATION:
        if cause is Cause.USAGE:
            reason = f"{sentence(gates)}.{NO_OVERRIDE}"
            return (yield from endings.finish(run, Outcome.BLOCKED, cause, reason, now=now))
        if run.output(PreflightOutput) is None:
            unknown = "It is not known whether a deployment is under way, so nothing was begun."
            reason = f"{unknown} {sentence(gates)}.{NO_OVERRIDE}"
            return (yield from endings.finish(run, Outcome.BLOCKED, cause, reason, now=now))
        run = yield from progress(run, "run-preflight", ANNOUNCEMENT, now)
    if stage.phase is not Phase.BAKING:
        return (yield from proceed(run, now))
    return (yield from _end(run, now))


def _end(run: Run, now: float) -> RunTurn:
    judged = [stage for stage in run.stages if stage.phase not in ADVISORY]
    unmet = [stage for stage in judged if stage.verdict is not Verdict.PASS]
    if not unmet and not proven(run.steps):
        reason = f"A check-up of what is live: nothing was proven: {why_not_proven(run.steps)}. Nothing was changed."
        outcome, cause = (Outcome.SUCCEEDED, None) if run.accepts_no_evidence else (Outcome.FAILED, Cause.NO_EVIDENCE)
        return (yield from endings.finish(run, outcome, cause, reason, now=now))
    if not unmet:
        warning = warning_of(run.stages)
        reason = f"A check-up of what is live: {success_of(run.stages)}.{warning} Nothing was changed."
        return (yield from endings.finish(run, Outcome.SUCCEEDED, None, reason, now=now))
    findings = sentence(gate for stage in unmet for gate in stage.gates)
    reason = f"A check-up of what is live: {findings}. Nothing was changed, and nothing is rolled back."
    cause = cause_of(tuple(step for stage in unmet for step in stage.steps))
    return (yield from endings.finish(run, Outcome.FAILED, cause, reason, now=now))
