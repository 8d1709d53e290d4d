"""A migration in a run: between arming and the change, once, and what follows from each of its ends."""

from typing import Any

import pytest

from contracts.deployment import Cause, Observe, Outcome, Override, Phase
from contracts.gates import Gate, Verdict
from contracts.migration import BEGUN, DONE, EFFECT, KEPT_READY, NO_ECS_ROLLBACK, CheckMigration, Migrate
from contracts.migration_asked import MigrationAsked
from contracts.policy import Recovery
from contracts.recovery import CHANGE_ACCEPTED, ApplyChange, Arm
from services.orchestrator.domain.limits import MINUTE, RECONCILE
from services.orchestrator.domain.migrating import AROUND
from tests.services.orchestrator.harness import POLICY, RESOLVED, SERVICE_POLICY, World, asked

MIGRATION = MigrationAsked(timeout_minutes=20, compatible=True)
INCOMPATIBLE = MigrationAsked(timeout_minutes=20)
NO_WAY_BACK = Gate.true("migration_way_back", holds=False, detail="There is no way back over it.")


def armed(world: World, migration: MigrationAsked = MIGRATION, **fields: Any) -> str:
    """Let a run come to where recovery stands ready."""
    run_id = world.request(event=asked(migration=migration, **fields))
    world.through(Phase.PRE_DEPLOYMENT_VALIDATION)
    world.answer("arm")
    return run_id


def migrated(world: World) -> None:
    """Let the migration succeed, and leave the alarms quiet."""
    world.answer("migrate")
    world.answer("check-alarms")


def ended(world: World) -> Any:
    world.answer("disarm")
    return world.end


def test_the_migration_runs_between_arming_and_the_change_with_what_preflight_has_resolved() -> None:
    world = World()
    armed(world, overrides=(Override(gate="database_encryption", reason="a tunnel"),))
    command = world.last("migrate").event
    assert isinstance(command, Migrate)
    assert (command.images, command.migration) == (RESOLVED, MIGRATION)
    assert [override.gate for override in command.overrides] == ["database_encryption"]
    assert "apply-change" not in world.names()
    migrated(world)
    assert "apply-change" in world.names()
    assert world.to_the_end().outcome is Outcome.SUCCEEDED
    assert world.names().count("migrate") == 1


def test_what_it_runs_with_is_looked_at_before_anything_is_changed() -> None:
    world = World()
    world.request(event=asked(migration=INCOMPATIBLE))
    check = world.last("check-migration").event
    assert isinstance(check, CheckMigration)
    world.answer_others("check-migration")
    world.answer("check-migration", Verdict.FAIL, cause=Cause.GATE, gates=[NO_WAY_BACK])
    assert (world.end.outcome, world.end.cause) == (Outcome.BLOCKED, Cause.GATE)
    assert "Nothing was changed. migration_way_back: There is no way back over it" in world.end.reason
    assert "--override migration_way_back=REASON" in world.end.reason
    assert "arm" not in world.names()


@pytest.mark.parametrize("by", ["request", "policy"])
def test_it_is_compatible_by_the_request_or_by_the_policy(by: str) -> None:
    recovery = Recovery(migrations_compatible=by == "policy")
    world = World(POLICY.model_copy(update={"service": SERVICE_POLICY.model_copy(update={"recovery": recovery})}))
    armed(world, MIGRATION if by == "request" else INCOMPATIBLE)
    command, arm = world.last("migrate").event, world.last("arm").event
    assert isinstance(command, Migrate)
    assert isinstance(arm, Arm)
    assert (command.migration.compatible, arm.auto_recovery) == (True, True)


def test_nothing_goes_back_over_a_migration_that_nobody_calls_compatible() -> None:
    world = World()
    armed(world, INCOMPATIBLE)
    arm = world.last("arm").event
    assert isinstance(arm, Arm)
    assert arm.auto_recovery is False
    migrated(world)
    world.answer("apply-change")
    failing = Gate.measured("rollout", 0, ">=", 1, detail="no task became healthy")
    world.answer("watch-deployment", Verdict.FAIL, cause=Cause.GATE, gates=[failing])
    end = ended(world)
    assert (end.outcome, end.rollback) == (Outcome.FAILED, None)
    assert "Nothing is rolled back over its migration, so the service was left as it is." in end.reason
    assert end.reason.endswith("Its migration has run, and the schema stays as it left it.")
    assert "roll-back" not in world.names()


def test_a_compatible_one_is_rolled_back_over_and_stays() -> None:
    world = World()
    run_id = armed(world)
    migrated(world)
    world.answer("apply-change")
    failing = Gate.measured("rollout", 0, ">=", 1, detail="no task became healthy")
    world.answer("watch-deployment", Verdict.FAIL, cause=Cause.GATE, gates=[failing])
    world.rollback_starts(run_id)
    world.rollback_ends(run_id)
    assert world.end.outcome is Outcome.ROLLED_BACK
    assert world.end.reason.endswith("Its migration has run, and the schema stays as it left it.")


@pytest.mark.parametrize(
    ("gate", "cause", "summary", "says"),
    [
        (DONE, Cause.ERROR, "It ended with exit code 1. The schema may have changed.", "The service was not changed."),
        (DONE, Cause.TIMEOUT, "It takes longer than 20 minutes.", "The service was not changed."),
        (BEGUN, Cause.REFUSED, "It did not start. Nothing was migrated.", "Nothing was changed: It did not start."),
    ],
)
def test_one_that_does_not_succeed_blocks_the_run_before_the_change(
    gate: str, cause: Cause, summary: str, says: str
) -> None:
    world = World()
    armed(world)
    failed = Gate.true(gate, holds=False, detail=summary)
    world.answer("migrate", Verdict.FAIL, cause=cause, gates=[failed], summary=summary)
    end = ended(world)
    assert (end.outcome, end.cause) == (Outcome.BLOCKED, cause)
    assert says in end.reason
    assert summary in end.reason
    assert "apply-change" not in world.names()
    assert world.gates()[gate].verdict is Verdict.FAIL


def test_it_has_its_own_time_and_is_asked_for_once_however_long_it_takes() -> None:
    world = World()
    armed(world)
    began = world.now
    world.passes(20 * MINUTE + AROUND - 60)
    assert world.active is not None
    assert world.run.ending is None
    assert world.names().count("migrate") == 1, "what is sent again every half minute has the same id"
    world.passes(5 * MINUTE)
    world.answer("disarm")
    assert world.end.outcome is Outcome.BLOCKED
    assert world.end.cause is Cause.TIMEOUT
    assert "it may go on, and the schema may have changed" in world.end.reason
    assert world.now - began > 20 * MINUTE


def test_an_answer_without_a_verdict_does_not_ask_for_a_second_one() -> None:
    world = World()
    armed(world)
    world.answer("migrate", Verdict.INCONCLUSIVE, cause=Cause.ERROR, summary="migrate failed 5 times")
    world.passes(3 * RECONCILE)
    assert world.names().count("migrate") == 1
    assert ended(world).outcome is Outcome.BLOCKED


def test_whoever_aborts_meanwhile_hears_that_it_goes_on() -> None:
    world = World()
    run_id = armed(world)
    world.abort(run_id, "wrong branch")
    end = ended(world)
    assert end.outcome is Outcome.ABORTED
    assert "Its migration may be under way: it is not stopped" in end.reason
    assert "roll-back" not in world.names()


def test_whoever_aborts_after_it_hears_that_it_stays_and_nothing_goes_back_over_an_incompatible_one() -> None:
    world = World()
    run_id = armed(world, INCOMPATIBLE)
    migrated(world)
    world.abort(run_id)
    end = ended(world)
    assert end.outcome is Outcome.ABORTED
    assert "the new version was left live" in end.reason
    assert "roll-back" not in world.names()


@pytest.mark.parametrize("gate", [EFFECT, KEPT_READY])
def test_what_the_application_tells_against_it_names_the_override_that_lets_it_pass(gate: str) -> None:
    world = World()
    armed(world)
    summary = "It ended with exit code 0. Something speaks against it."
    failed = Gate.true(gate, holds=False, detail=summary)
    world.answer("migrate", Verdict.FAIL, cause=Cause.GATE, gates=[failed], summary=summary)
    end = ended(world)
    assert (end.outcome, end.cause) == (Outcome.BLOCKED, Cause.GATE)
    assert end.reason.startswith("The service was not changed, though its migration has run: ")
    assert f"--override {gate}=REASON" in end.reason


def by_policy(**recovery: Any) -> World:
    section = Recovery(migration_command=("flask", "db", "upgrade"), migration_container="backend", **recovery)
    return World(POLICY.model_copy(update={"service": SERVICE_POLICY.model_copy(update={"recovery": section})}))


def test_the_policys_migration_runs_in_every_run_of_a_change() -> None:
    world = by_policy(migrations_compatible=True)
    world.request(event=asked())
    check = world.last("check-migration").event
    assert isinstance(check, CheckMigration)
    world.through(Phase.PRE_DEPLOYMENT_VALIDATION)
    world.answer("arm")
    command = world.last("migrate").event
    assert isinstance(command, Migrate)
    expected = MigrationAsked(command=("flask", "db", "upgrade"), container="backend", compatible=True)
    assert command.migration == check.migration == expected
    world.answer("migrate")
    assert world.to_the_end().outcome is Outcome.SUCCEEDED


def test_a_request_may_name_its_own_or_none() -> None:
    world = by_policy()
    armed(world, MIGRATION)
    command = world.last("migrate").event
    assert isinstance(command, Migrate)
    assert command.migration == MIGRATION.model_copy(update={"container": "backend"})
    other = by_policy()
    other.request(event=asked(without_migration=True))
    assert "check-migration" not in other.names()
    other.through(Phase.PRE_DEPLOYMENT_VALIDATION)
    other.answer("arm")
    assert ("migrate" in other.names(), "apply-change" in other.names()) == (False, True)


def test_who_changes_nothing_migrates_nothing_whatever_the_policy_names() -> None:
    world = by_policy()
    world.request(event=asked(Observe()))
    assert "check-migration" not in world.names()


def test_a_migration_and_none_is_no_request() -> None:
    world = World()
    world.request(event=asked(migration=MIGRATION, without_migration=True))
    assert (world.end.outcome, world.end.cause) == (Outcome.BLOCKED, Cause.USAGE)
    assert "Name a migration, or none; not both" in world.end.reason


def test_a_migration_belongs_to_a_change() -> None:
    world = World()
    world.request(event=asked(Observe(), migration=MIGRATION))
    assert (world.end.outcome, world.end.cause) == (Outcome.BLOCKED, Cause.USAGE)


def test_a_restored_run_asks_for_the_same_one() -> None:
    world = World()
    armed(world)
    first, before = world.last("migrate").id, world.state
    assert before is not None
    world.answer("migrate")
    world.state = before
    world.passes(RECONCILE + 1)
    assert world.last("migrate").id == first


def guarded(world: World) -> bool:
    """Let the migration succeed, and return whether the change is refused where ECS itself would go back."""
    migrated(world)
    command = world.last("apply-change").event
    assert isinstance(command, ApplyChange)
    return command.without_ecs_rollback


def test_the_change_is_not_made_where_ecs_would_go_back_over_an_incompatible_migration() -> None:
    world = World()
    armed(world, INCOMPATIBLE)
    assert guarded(world)
    detail = "ECS's own circuit breaker would go back over the migration."
    gates = [Gate.true(name, holds=False, detail=detail) for name in (CHANGE_ACCEPTED, NO_ECS_ROLLBACK)]
    world.answer("apply-change", Verdict.FAIL, cause=Cause.GATE, gates=gates, summary=detail)
    end = ended(world)
    assert (end.outcome, end.cause) == (Outcome.BLOCKED, Cause.GATE)
    assert end.reason == (
        "The service was not changed. ECS's own circuit breaker would go back over the migration. To deploy "
        "nonetheless: --override no_rollback_by_ecs=REASON. Its migration has run, and the schema stays as it left it."
    )


@pytest.mark.parametrize("by", ["compatible", "policy", "override"])
def test_it_is_made_where_the_migration_is_compatible_or_somebody_lets_ecs_go_back(by: str) -> None:
    recovery = Recovery(ecs_rollback_over_migration="allow" if by == "policy" else "block")
    world = World(POLICY.model_copy(update={"service": SERVICE_POLICY.model_copy(update={"recovery": recovery})}))
    override = Override(gate=NO_ECS_ROLLBACK, reason="the old version is as good")
    armed(world, MIGRATION if by == "compatible" else INCOMPATIBLE, overrides=(override,) if by == "override" else ())
    assert not guarded(world)


def test_without_a_migration_ecs_may_go_back() -> None:
    world = World()
    world.request(event=asked())
    world.through(Phase.PRE_DEPLOYMENT_VALIDATION)
    world.answer("arm")
    command = world.last("apply-change").event
    assert isinstance(command, ApplyChange)
    assert not command.without_ecs_rollback
