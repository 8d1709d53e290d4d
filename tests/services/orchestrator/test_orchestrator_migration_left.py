"""A run that ends during its migration: its record tells how that ends, and the next run waits for it."""

from typing import Any

import pytest

from contracts.deployment import Cause, ImageChange, Outcome, Phase
from contracts.gates import Gate, Verdict
from contracts.migration import BEGUN, MigrationFinished, MigrationResult
from contracts.migration_asked import MigrationAsked
from contracts.schema_status import SchemaStatus
from services.orchestrator.domain.limits import MINUTE
from services.orchestrator.domain.migrating import AROUND
from tests.services.orchestrator.harness import TARGET, World, asked

MIGRATION = MigrationAsked(timeout_minutes=5, compatible=True)
NEWER = asked(ImageChange(reference="shop/web:3"), on_conflict="supersede", migration=MIGRATION)


def migrating(world: World) -> str:
    run_id = world.request("old", asked(migration=MIGRATION))
    world.through(Phase.PRE_DEPLOYMENT_VALIDATION)
    world.answer("arm")
    return run_id


def finishes(world: World, run_id: str | None, result: MigrationResult = "succeeded", **fields: Any) -> None:
    sentence = fields.pop("sentence", "It ended with exit code 0. The application reports c3a2.")
    world.happens(
        MigrationFinished(target=TARGET, migration_id="m-1", run_id=run_id, result=result, sentence=sentence, **fields)
    )
    world.passes(0)  # the queue goes on by its timer


def superseded(world: World) -> tuple[str, str]:
    """Return a run that a newer one has superseded during its migration, and the newer one."""
    old = migrating(world)
    world.now += 1
    new = world.request("new", NEWER)
    world.answer("disarm")
    return old, new


def test_whoever_supersedes_waits_for_the_migrations_end_before_it_begins() -> None:
    world = World()
    old, new = superseded(world)
    assert (world.end.run_id, world.end.outcome, world.end.cause) == (old, Outcome.ABORTED, Cause.SUPERSEDED)
    assert "Its migration may be under way: it is not stopped" in world.end.reason
    assert world.active is None
    waits = "Waiting, number 1 in the queue. The migration of the run before it goes on."
    assert world.view(new).progress == waits
    world.passes(2 * MINUTE)
    assert world.active is None
    finishes(world, old)
    assert world.run.run_id == new
    assert world.names().count("arm") == 1
    assert world.to_the_end().outcome is Outcome.SUCCEEDED
    assert world.names().count("arm") == 2


def test_the_record_of_the_run_tells_how_its_migration_ended_and_what_is_known_of_the_schema() -> None:
    world = World()
    old = migrating(world)
    world.abort(old)
    world.answer("disarm")
    assert world.view(old).migration is None
    finishes(world, old, schema_after=SchemaStatus(revisions=("c3a2",)))
    migration = world.view(old).migration
    assert migration is not None
    assert (migration.result, migration.revision, migration.schema_may_have_changed) == ("succeeded", "c3a2", True)
    assert (world.view(old).status, world.view(old).outcome) == ("finished", Outcome.ABORTED)
    assert len(world.ends(old)) == 1, "its end is published once"


@pytest.mark.parametrize(
    ("result", "sentence", "changed"),
    [
        ("failed", "It ended with exit code 1. The schema may have changed.", True),
        ("unknown", "Its task is not known any more. The schema may have changed.", True),
        ("did_not_start", "ECS has started no task. Nothing was migrated.", False),
    ],
)
def test_each_end_of_it_is_told_as_it_is(result: MigrationResult, sentence: str, changed: bool) -> None:
    world = World()
    old, new = superseded(world)
    finishes(world, old, result, sentence=sentence)
    migration = world.view(old).migration
    assert migration is not None
    assert (migration.sentence, migration.schema_may_have_changed) == (sentence, changed)
    assert world.run.run_id == new


def test_one_that_ends_while_the_run_is_disarmed_is_told_at_its_end_and_nobody_waits() -> None:
    world = World()
    old = migrating(world)
    world.now += 1
    new = world.request("new", NEWER)
    finishes(world, old)
    world.answer("disarm")
    end = world.ends(old)[0]
    assert end.reason.endswith(
        "Its migration has ended meanwhile: It ended with exit code 0. The application reports c3a2."
    )
    assert world.view(old).migration is not None
    assert world.run.run_id == new


@pytest.mark.parametrize("before", [True, False])
def test_one_that_was_refused_is_waited_for_by_nobody(before: bool) -> None:
    """The abort was handled before the command: recovery refuses it, and publishes no end of a migration."""
    world = World()
    old = migrating(world)
    world.now += 1
    new = world.request("new", NEWER)
    refused = "Recovery is not armed for this run. Nothing was migrated."
    gate = Gate.true(BEGUN, holds=False, detail=refused)
    migrate = world.last("migrate")
    for step in ("migrate", "disarm") if before else ("disarm", "migrate"):
        if step == "disarm":
            world.answer("disarm")
        else:
            world.answer("migrate", Verdict.FAIL, cause=Cause.REFUSED, gates=[gate], summary=refused, command=migrate)
        world.passes(0)
    if before:
        assert world.ends(old)[0].reason.endswith(f"Its migration: {refused}")
    assert world.run.run_id == new


def test_whoever_waits_begins_once_its_time_is_over_whatever_is_known() -> None:
    """Recovery still lets no run arm until it has ended, and then says so."""
    world = World()
    old = migrating(world)
    world.now += 1
    new = world.request("new", NEWER.model_copy(update={"expires_at": None}))
    world.answer("disarm")
    began = world.now
    while world.active is None and world.now < began + 60 * MINUTE and not world.ends(new):
        world.passes(MINUTE)
    assert world.now - began >= 5 * MINUTE
    assert world.now - began <= 5 * MINUTE + AROUND + 4 * MINUTE
    assert world.active is None or world.run.run_id == new
    late = world.course.migrating
    assert late is not None
    finishes(world, old)
    assert world.view(old).migration is not None, "a late end is recorded all the same"


def test_that_it_takes_long_is_no_end() -> None:
    world = World()
    old, _ = superseded(world)
    migrate = world.last("migrate")
    gate = Gate.true("migration_done", holds=False, detail="It takes longer than 5 minutes.")
    world.answer("migrate", Verdict.FAIL, cause=Cause.TIMEOUT, gates=[gate], command=migrate)
    assert world.active is None
    finishes(world, old)
    assert world.active is not None


def test_an_ordinary_request_waits_as_well_and_one_that_wants_no_queue_is_refused() -> None:
    world = World()
    old = migrating(world)
    world.abort(old)
    world.answer("disarm")
    world.request("impatient", asked(on_conflict="refuse"))
    assert (world.end.outcome, world.end.cause) == (Outcome.BLOCKED, Cause.REFUSED)
    assert f"busy with the run {old}, whose migration goes on" in world.end.reason
    patient = world.request("patient")
    assert world.active is None
    finishes(world, old)
    assert world.run.run_id == patient


def test_a_migration_by_hand_or_of_another_run_changes_nothing() -> None:
    world = World()
    old, _ = superseded(world)
    finishes(world, None)
    finishes(world, "another")
    assert world.active is None
    assert world.view(old).migration is None


def test_a_run_that_succeeds_keeps_how_it_ended_too() -> None:
    world = World()
    old = migrating(world)
    finishes(world, old, schema_after=SchemaStatus(revisions=("c3a2",)))
    world.answer("migrate")
    assert world.to_the_end().outcome is Outcome.SUCCEEDED
    migration = world.view(old).migration
    assert migration is not None
    assert migration.revision == "c3a2"


def test_a_restored_course_hears_the_same_end_again() -> None:
    world = World()
    old, new = superseded(world)
    before = world.state
    assert before is not None
    finishes(world, old)
    world.state = before
    finishes(world, old)
    assert world.run.run_id == new
    assert world.view(old).migration is not None
