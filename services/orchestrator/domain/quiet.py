"""Between a migration and its change: the alarms that watch the service's deployments are to be quiet.

A migration can leave one of them in ALARM, and ECS ignores them all in a deployment that begins so. It is waited for.
"""

from contracts.catalogue import entry_of
from contracts.gates import Gate, Verdict
from contracts.monitor import ALARMS_SINCE_MIGRATION, CheckAlarms
from contracts.policy_parts import MonitoringPolicy
from services.orchestrator.domain.effects import RunTurn, progress
from services.orchestrator.domain.judge import gates_of, how_to_override, overridden, sentence
from services.orchestrator.domain.limits import GRACE, MINUTE, QUIET_WITHIN, moment
from services.orchestrator.domain.run import Run
from services.orchestrator.domain.run_parts import Answer, Stage, Step
from services.orchestrator.domain.steps import asks_again, send

CHECK_ALARMS = entry_of(CheckAlarms).name


def look(run: Run, stage: Stage, since: float, until: float, now: float) -> RunTurn:
    """Have the monitor look at the alarms; ``since`` and ``until``: when the migration began, and was over."""
    run = run.with_stage(stage.replace(deadline=now + QUIET_WITHIN + GRACE))
    policy = run.policy.part(MonitoringPolicy)
    command = CheckAlarms(
        target=run.target,
        run_id=run.run_id,
        migrated_since=moment(since),
        migrated_until=moment(until),
        policy=policy,
    )
    return (yield from send(run, command))


def step_of(stage: Stage) -> Step | None:
    """Return the step that looks; None where it was not sent."""
    return stage.step(CHECK_ALARMS)


def waits(run: Run, step: Step, now: float) -> bool:
    """Whether the change waits: for an answer, or for an alarm that no override lets pass."""
    if step.answer is None:
        return not run.over(now)
    return any(gate.counts_as is not Verdict.PASS for gate in _counted(run, step)) and asks_again(run, step, now)


def why_not(run: Run, step: Step) -> tuple[str, tuple[Gate, ...]]:
    """Return why an alarm keeps the change from being made, as sentences, and the gates; no text where none does."""
    gates = _counted(run, step)
    firing = [gate for gate in gates if gate.counts_as is Verdict.FAIL]
    if not firing:
        return "", gates
    within = f"within {QUIET_WITHIN / MINUTE:.0f} minutes after its migration"
    why = f"The alarms that watch its deployments were not quiet {within}: {sentence(firing)}."
    return f"The service was not changed. {why} The schema may have changed.{how_to_override(firing)}", gates


def settle(run: Run, step: Step, now: float) -> RunTurn:
    """Let the change be made: what was seen, or that nothing was seen, stays with the step."""
    seen = step.answer is not None and step.answer.verdict is not Verdict.INCONCLUSIVE
    if step.answer is not None and seen:
        answer = step.answer.replace(verdict=Verdict.PASS, cause=None, gates=_counted(run, step))
        return run.with_step(step, step.replace(answer=answer))
    why = step.answer.summary.rstrip(".") if step.answer is not None else "the monitor did not answer in time"
    unseen = f"Whether an alarm fires since the migration is not known, and keeps no change from being made: {why}."
    gate = Gate.does_not_apply(ALARMS_SINCE_MIGRATION, unseen)
    answer = Answer(at=now, verdict=Verdict.PASS, gates=(gate,), cause=None, summary=unseen, output=None)
    run = run.with_step(step, step.replace(answer=answer))
    return (yield from progress(run, CHECK_ALARMS, unseen, now))


def _counted(run: Run, step: Step) -> tuple[Gate, ...]:
    return overridden(gates_of(step), run.request.overrides, run.request.actor)
