"""Between a migration and its change: an alarm that fires since is waited for, and then blocks the change."""

from typing import Any

import pytest

from contracts.deployment import Cause, Outcome, Override, Phase
from contracts.gates import Gate, Verdict
from contracts.migration_asked import MigrationAsked
from contracts.monitor import ALARMS_SINCE_MIGRATION, CheckAlarms
from services.orchestrator.domain.limits import GRACE, MINUTE, QUIET_WITHIN, RECONCILE
from services.orchestrator.domain.migrating import AROUND
from tests.services.orchestrator.harness import START, World, asked

MIGRATION = MigrationAsked(timeout_minutes=20, compatible=True)
DETAIL = "errors fires since 10:02:11 UTC (Threshold Crossed), since the migration began"
FIRING = Gate.measured(ALARMS_SINCE_MIGRATION, 1, "==", 0, detail=DETAIL)
BEFORE = Gate.measured("existing_alarms_quiet", 1, "==", 0, detail="errors fires, from before the migration")


def migrated(**fields: Any) -> tuple[World, str]:
    """Return a run whose migration has succeeded."""
    world = World()
    run_id = world.request(event=asked(migration=MIGRATION, **fields))
    world.through(Phase.PRE_DEPLOYMENT_VALIDATION)
    world.answer("arm")
    world.now += 90
    world.answer("migrate")
    return world, run_id


def fires(world: World, gate: Gate = FIRING) -> None:
    world.answer("check-alarms", Verdict.FAIL, cause=Cause.GATE, gates=[gate], summary=gate.detail)


def changed(world: World) -> bool:
    return "apply-change" in world.names()


def override(gate: str) -> tuple[Override, ...]:
    return (Override(gate=gate, reason="known"),)


def test_the_change_waits_for_a_look_at_the_alarms_since_the_migration_began() -> None:
    world, _ = migrated()
    command = world.last("check-alarms").event
    assert isinstance(command, CheckAlarms)
    assert command.migrated_since is not None
    assert command.migrated_since.timestamp() == world.now - 90
    assert not changed(world)
    world.answer("check-alarms")
    assert changed(world)
    assert world.to_the_end().outcome is Outcome.SUCCEEDED


def test_one_that_fires_is_looked_at_again_until_it_is_quiet() -> None:
    world, _ = migrated()
    first = world.last("check-alarms").id
    fires(world)
    assert not changed(world)
    world.passes(RECONCILE)
    assert world.last("check-alarms").id != first
    fires(world)
    world.passes(RECONCILE)
    world.answer("check-alarms")
    assert changed(world)
    assert world.to_the_end().outcome is Outcome.SUCCEEDED


def firing_on(world: World, gate: Gate = FIRING) -> None:
    """Let the alarm fire for as long as it is waited for."""
    end = world.now + QUIET_WITHIN + RECONCILE
    while world.now < end and world.run.ending is None:
        if world.run.steps and world.run.open_steps[-1].answer is None:
            fires(world, gate)
        world.passes(RECONCILE)


def test_one_that_goes_on_firing_blocks_the_change_and_says_what_may_have_become_of_the_schema() -> None:
    world, _ = migrated()
    began = world.now
    firing_on(world)
    assert world.now - began >= QUIET_WITHIN
    assert not changed(world)
    world.answer("disarm")
    end = world.end
    assert (end.outcome, end.cause) == (Outcome.BLOCKED, Cause.GATE)
    assert end.reason == (
        "The service was not changed. The alarms that watch its deployments were not quiet within 10 minutes after its "
        f"migration: {ALARMS_SINCE_MIGRATION}: 1, must be == 0 (1 sample), {DETAIL}. The schema may have changed. To "
        f"deploy nonetheless: --override {ALARMS_SINCE_MIGRATION}=REASON. Its migration has run, and the schema stays "
        "as it left it."
    )
    assert world.gates()[ALARMS_SINCE_MIGRATION].verdict is Verdict.FAIL


@pytest.mark.parametrize("gate", [FIRING, BEFORE])
def test_whoever_lets_it_pass_by_name_changes_at_once_and_it_is_on_the_record(gate: Gate) -> None:
    world, _ = migrated(overrides=override(gate.name))
    fires(world, gate)
    assert changed(world)
    assert world.to_the_end().outcome is Outcome.SUCCEEDED
    assert world.gates()[gate.name].overridden_by == "ada: known"


def test_who_has_let_one_pass_that_fired_before_has_not_let_the_migrations_pass() -> None:
    world, _ = migrated(overrides=override(BEFORE.name))
    fires(world, FIRING)
    assert not changed(world)


@pytest.mark.parametrize("answers", [True, False])
def test_what_cannot_be_seen_in_time_is_said_and_keeps_no_change_from_being_made(answers: bool) -> None:
    """CloudWatch is throttled for as long as it is asked, or the monitor hangs."""
    world, _ = migrated()
    for _ in range(40):
        if changed(world):
            break
        if answers and world.run.open_steps[-1].answer is None:
            world.answer("check-alarms", Verdict.INCONCLUSIVE, cause=Cause.ERROR, summary="It was throttled.")
        world.passes(RECONCILE)
    assert changed(world)
    why = "It was throttled" if answers else "the monitor did not answer in time"
    said = f"Whether an alarm fires since the migration is not known, and keeps no change from being made: {why}."
    assert said in world.messages()
    assert world.to_the_end().outcome is Outcome.SUCCEEDED
    assert world.gates()[ALARMS_SINCE_MIGRATION].not_applicable == said


def test_an_answer_that_comes_too_late_changes_nothing() -> None:
    world, _ = migrated()
    late = world.last("check-alarms")
    world.passes(QUIET_WITHIN + GRACE + RECONCILE)
    assert changed(world)
    assert world.answer("check-alarms", Verdict.FAIL, gates=[FIRING], command=late).state is None
    assert world.to_the_end().outcome is Outcome.SUCCEEDED


def test_the_wait_counts_towards_no_time_of_the_run() -> None:
    """A migration that takes all its time and an alarm that fires for all of its own still leave time to deploy."""
    world = World()
    world.request(event=asked(migration=MIGRATION))
    world.through(Phase.PRE_DEPLOYMENT_VALIDATION)
    world.answer("arm")
    world.passes(20 * MINUTE + AROUND - 60)
    world.answer("migrate")
    world.passes(QUIET_WITHIN - 60)
    world.answer("check-alarms")
    assert changed(world)
    assert world.run.deadline - world.now > world.run.rollout_bound.first
    assert world.now - START < world.run.deadline - START


def test_whoever_aborts_while_an_alarm_is_waited_for_ends_it_there() -> None:
    world, run_id = migrated()
    fires(world)
    world.abort(run_id)
    world.answer("disarm")
    assert world.end.outcome is Outcome.ABORTED
    assert world.end.reason.endswith("Its migration has run, and the schema stays as it left it.")
    assert not changed(world)


def test_a_run_that_redis_has_forgotten_after_its_checks_looks_at_no_alarm_its_change_may_be_live() -> None:
    world = World()
    world.request(event=asked(migration=MIGRATION))
    world.through(Phase.PRE_DEPLOYMENT_VALIDATION)
    run = world.run
    world.state = world.course.replace(active=run.replace(request=run.request.replace(past_checks=True))).to_bytes()
    world.answer("arm")
    looks = world.names().count("check-alarms")
    world.answer("migrate")
    assert changed(world)
    assert world.names().count("check-alarms") == looks


def test_a_restored_run_asks_the_same_again() -> None:
    world, _ = migrated()
    first, before = world.last("check-alarms").id, world.state
    assert before is not None
    world.answer("check-alarms")
    world.state = before
    world.passes(RECONCILE + 1)
    assert world.last("check-alarms").id == first


def test_without_a_migration_nothing_is_waited_for() -> None:
    world = World()
    world.request(event=asked())
    world.through(Phase.PRE_DEPLOYMENT_VALIDATION)
    world.answer("arm")
    assert changed(world)
