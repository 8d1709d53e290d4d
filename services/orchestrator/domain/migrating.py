"""The migration of a run: between arming and the change, with the image that is to be deployed."""

from contracts.catalogue import entry_of
from contracts.deployment import Cause, Outcome
from contracts.gates import Verdict
from contracts.migration import BEGUN, NO_ECS_ROLLBACK, CheckMigration, Migrate
from contracts.overrides import OVERRIDABLE
from contracts.policy_parts import RecoveryPolicy
from contracts.results import PreflightOutput, StepFinished
from services.orchestrator.domain.judge import how_to_override
from services.orchestrator.domain.limits import GRACE, MINUTE, QUIET_WITHIN
from services.orchestrator.domain.run import Run
from services.orchestrator.domain.run_parts import Answer, Stage, Step

MIGRATE = entry_of(Migrate).name
AROUND = 22 * MINUTE
"""Beside its own time: until another migration of its database is over, ECS has placed its task, and the end of its
log is there."""


def seconds_of(run: Run) -> float:
    """Return how long the run's migration may take; 0 without one."""
    asked = run.migration
    if asked is None:
        return 0.0
    return (asked.timeout_minutes or run.recovery.migration_minutes) * MINUTE + AROUND


def longest_of(run: Run) -> float:
    """Return how long the change may wait for the migration and for quiet alarms after it; 0 without one."""
    return seconds_of(run) + QUIET_WITHIN + GRACE if run.migration is not None else 0.0


def check_migration(run: Run) -> tuple[CheckMigration, ...]:
    """Return the command that looks at the run's migration beforehand; none without one."""
    asked = run.migration
    if asked is None:
        return ()
    policy = run.policy.part(RecoveryPolicy)
    return (
        CheckMigration(target=run.target, run_id=run.run_id, migration=asked, change=run.request.change, policy=policy),
    )


def migrate(run: Run) -> Migrate | None:
    """Return the command that migrates, with exactly what preflight has resolved; None without a migration."""
    asked = run.migration
    if asked is None:
        return None
    resolved = run.output(PreflightOutput) or PreflightOutput()
    return Migrate(
        target=run.target,
        run_id=run.run_id,
        migration=asked,
        images=resolved.images,
        task_definition=resolved.task_definition,
        overrides=run.request.overrides,
        policy=run.policy.part(RecoveryPolicy),
    )


def keeps_ecs_from_going_back(run: Run) -> bool:
    """Whether the change is not made where ECS itself would go back over the run's migration, by policy or override."""
    overridden = any(override.gate == NO_ECS_ROLLBACK for override in run.request.overrides)
    return run.leaves_no_way_back and run.recovery.ecs_rollback_over_migration == "block" and not overridden


def nothing_changed(run: Run) -> str:
    """Return that a run has changed nothing of its service, as a sentence; its migration may have run."""
    migrated = any(step.name == MIGRATE and not untouched(step) for step in run.steps)
    return "The service was not changed." if migrated else "Nothing was changed."


def step_of(stage: Stage) -> Step | None:
    """Return the step that migrates; None where it was not sent."""
    return stage.step(MIGRATE)


def untouched(step: Step) -> bool:
    """Whether it is certain that the step has migrated nothing."""
    gates = step.answer.gates if step.answer is not None else ()
    return any(gate.name == BEGUN and gate.verdict is Verdict.FAIL for gate in gates)


def why_not_changed(step: Step) -> tuple[Cause, str]:
    """Return why a run makes no change behind its migration, for its end."""
    if step.answer is None:
        untold = "Recovery did not say in time how the migration ended"
        return Cause.TIMEOUT, f"The service was not changed. {untold}: it may go on, and the schema may have changed."
    if step.passed:
        return Cause.TIMEOUT, "The service was not changed: its migration has left no time for that."
    cause, summary = step.answer.cause or Cause.ERROR, step.answer.summary
    if untouched(step):
        return cause, f"Nothing was changed: {summary}"
    gates = step.answer.gates
    if any(gate.name in OVERRIDABLE for gate in gates):
        return cause, f"The service was not changed, though its migration has run: {summary}{how_to_override(gates)}"
    return cause, f"The service was not changed. Its migration did not succeed: {summary}"


def remark_on(run: Run, outcome: Outcome) -> str:
    """Return what a run that ends says of its migration, as a sentence after a space; empty where there is nothing.

    A migration that did not succeed has ended its run, which says so itself, unless somebody had ended that before.
    """
    step = sent(run)
    if step is None or outcome is Outcome.SUCCEEDED:
        return ""
    if step.answer is not None:
        if step.passed:
            return " Its migration has run, and the schema stays as it left it."
        return f" Its migration: {step.answer.summary}" if outcome is Outcome.ABORTED else ""
    if run.migrated is not None:
        return f" Its migration has ended meanwhile: {run.migrated.sentence}"
    return (
        " Its migration may be under way: it is not stopped, and the schema may change still. The run's status tells "
        "how it ends, and GET /disaster-recovery/migrations shows it."
    )


def sent(run: Run) -> Step | None:
    """Return the step by which a run has asked for its migration; None where it has not."""
    return next((step for step in run.steps if step.name == MIGRATE), None)


def goes_on(run: Run) -> bool:
    """Whether the migration of a run may be under way: nothing has told its end, or only that it takes long."""
    step = sent(run)
    if step is None or run.migrated is not None:
        return False
    return step.answer is None or step.answer.cause is Cause.TIMEOUT


def answered_meanwhile(run: Run, event: StepFinished, now: float) -> Run:
    """Return the run with an answer to its migration that has come while it ends: that decides nothing any more."""
    step = sent(run)
    if run.ending is None or step is None or step.answer is not None or step.id != event.command_id:
        return run
    answered = step.replace(answer=Answer.of(event, now))
    stages = (
        stage.replace(steps=tuple(answered if known is step else known for known in stage.steps))
        for stage in run.stages
    )
    return run.replace(stages=tuple(stages))
