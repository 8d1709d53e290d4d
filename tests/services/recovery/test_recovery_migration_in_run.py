"""A migration that a run asks for: once for the run, and what recovery goes back over afterwards."""

from datetime import timedelta
from typing import Any

import pytest

from contracts.deployment import Cause, ImageChange, Override
from contracts.gates import Gate, Verdict
from contracts.migration import CheckMigration, Migrate, MigrationFinished, MigrationStarted
from contracts.migration_asked import MigrationAsked
from contracts.policy_parts import RecoveryPolicy
from contracts.recovery import Arm, Disarm
from contracts.results import StepFinished
from services._aws.errors import AwsError
from tests.services.recovery.harness import GOOD, OTHER, TARGET, Crash, Recovery

NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-1"], "securityGroups": ["sg-1"]}}


@pytest.fixture
def recovery() -> Recovery:
    mine = Recovery()
    mine.ecs.settings |= {"launchType": "FARGATE", "networkConfiguration": NETWORK}
    return mine


async def migrate(
    recovery: Recovery, run: str = "run-1", *, work: bool = True, overriding: str = "", **asked: Any
) -> StepFinished | None:
    command = Migrate(
        target=TARGET,
        run_id=run,
        migration=MigrationAsked(timeout_minutes=5, **asked),
        images={"backend": OTHER},
        overrides=(Override(gate=overriding, reason="known"),) if overriding else (),
    )
    await recovery.send(command, f"{run}:migrate")
    if work:
        await recovery.work()
    return recovery.answer(f"{run}:migrate")


async def check(
    recovery: Recovery, run: str = "run-1", *, policy: RecoveryPolicy | None = None, **asked: Any
) -> dict[str, Gate]:
    change, migration = ImageChange(reference=OTHER), MigrationAsked(**asked)
    command = CheckMigration(target=TARGET, run_id=run, migration=migration, change=change, policy=policy)
    await recovery.send(command, f"{run}:check")
    await recovery.work()
    answer = recovery.answer(f"{run}:check")
    assert answer is not None
    return {gate.name: gate for gate in answer.gates}


async def test_the_candidates_image_migrates_and_the_run_is_answered(recovery: Recovery) -> None:
    await recovery.arm()
    answer = await migrate(recovery)
    assert answer is not None
    assert answer.verdict is Verdict.PASS
    assert answer.summary.startswith("It ended with exit code 0. Whether the schema has changed is not known: ")
    assert answer.summary.endswith("Its log is not in CloudWatch Logs.")
    [(task, _, _)] = recovery.one_off.started.values()
    assert task.image == OTHER, "and not the image that is live"
    changed = await recovery.change(image=OTHER)
    assert changed is not None
    assert changed.verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("change", "gate", "cause"),
    [
        ({"code": 1}, "migration_done", Cause.ERROR),
        ({"starts": False, "code": None}, "migration_begun", Cause.REFUSED),
        ({"seconds": 3600.0}, "migration_done", Cause.TIMEOUT),
    ],
)
async def test_each_other_end_fails_the_step_by_its_own_gate(
    recovery: Recovery, change: dict[str, Any], gate: str, cause: Cause
) -> None:
    await recovery.arm()
    for name, value in change.items():
        setattr(recovery.one_off, name, value)
    answer = await migrate(recovery)
    assert answer is not None
    assert (answer.verdict, answer.cause, [found.name for found in answer.gates]) == (Verdict.FAIL, cause, [gate])
    assert ("may have changed" in answer.summary) == (gate == "migration_done")


async def test_without_an_arm_nothing_is_migrated(recovery: Recovery) -> None:
    answer = await migrate(recovery)
    assert answer is not None
    assert (answer.cause, answer.gates[0].name) == (Cause.REFUSED, "migration_begun")
    assert answer.summary.endswith("Nothing was migrated.")
    assert recovery.one_off.calls == 0


async def test_the_same_command_again_and_another_of_the_run_start_no_second_task(recovery: Recovery) -> None:
    await recovery.arm()
    await migrate(recovery)
    await recovery.send(
        Migrate(target=TARGET, run_id="run-1", migration=MigrationAsked(), images={"backend": OTHER}), "another"
    )
    await recovery.work()
    again = recovery.answer("another")
    assert again is not None
    assert (again.verdict, recovery.one_off.calls) == (Verdict.PASS, 1)


async def test_a_run_that_ends_meanwhile_leaves_it_running_and_the_next_one_does_not_arm(recovery: Recovery) -> None:
    await recovery.arm()
    await migrate(recovery, work=False)
    recovery.one_off.seconds = 600
    died: list[int] = []

    def die() -> None:
        if recovery.one_off.calls and not died:
            died.append(1)
            raise Crash

    recovery.clock.while_asleep.append(die)
    await recovery.attempt(recovery.store.jobs["run-1:migrate"])
    await recovery.send(Disarm(target=TARGET, run_id="run-1"), "disarm")
    assert recovery.protection.migration is not None
    await recovery.work()
    assert recovery.one_off.calls == 1
    assert recovery.one_off.stopped == []
    assert [finished.result for finished in recovery.published(MigrationFinished)] == ["succeeded"]


async def test_no_other_run_arms_until_the_migration_has_ended(recovery: Recovery) -> None:
    await recovery.arm()
    snapshot_id = await recovery.snapshot("run-2")
    await migrate(recovery, work=False)
    await recovery.send(Disarm(target=TARGET, run_id="run-1"), "disarm")
    until = recovery.now + timedelta(hours=1)
    command = Arm(target=TARGET, run_id="run-2", snapshot_id=snapshot_id, expires_at=until)
    await recovery.send(command, "too-early")
    early = recovery.answer("too-early")
    assert early is not None
    assert (early.verdict, early.cause, early.gates[0].name) == (Verdict.FAIL, Cause.REFUSED, "target_free")
    await recovery.work()
    await recovery.send(command, "afterwards")
    late = recovery.answer("afterwards")
    assert late is not None
    assert late.verdict is Verdict.PASS


async def test_a_run_that_ends_before_its_task_was_asked_for_migrates_nothing(recovery: Recovery) -> None:
    await recovery.arm()
    await migrate(recovery, work=False)
    await recovery.send(Disarm(target=TARGET, run_id="run-1"), "disarm")
    await recovery.work()
    [finished] = recovery.published(MigrationFinished)
    assert (finished.result, recovery.one_off.calls) == ("did_not_start", 0)
    assert finished.sentence == "It did not start, because run run-1 is over. Nothing was migrated."


async def test_after_a_restoration_the_run_gets_the_answer_that_is_known(recovery: Recovery) -> None:
    await recovery.arm()
    await migrate(recovery)
    [started], [finished] = recovery.published(MigrationStarted), recovery.published(MigrationFinished)
    restored = Recovery()
    await restored.send(started, "s", again=True)
    await restored.send(finished, "f", again=True)
    answer = await migrate(restored)
    assert answer is not None
    assert (answer.verdict, restored.one_off.calls) == (Verdict.PASS, 0)


@pytest.mark.parametrize("compatible", [True, False])
async def test_nobody_goes_back_over_a_migration_that_is_not_called_compatible(
    recovery: Recovery, compatible: bool
) -> None:
    await recovery.arm()
    await migrate(recovery, compatible=compatible)
    recovery.clock.time += 60
    await recovery.change(image=OTHER)
    await recovery.send(Disarm(target=TARGET, run_id="run-1"), "disarm")
    readiness = await recovery.assess.readiness(TARGET)
    assert readiness is not None
    [way] = [way for way in readiness.ways if not way.live]
    assert way.can is compatible
    assert ("the migration of" in way.sentence) is not compatible
    entry = recovery.protection.snapshots[0]
    assert bool(recovery.protection.why_not_over_schema(entry.taken_at)) is not compatible
    later = await recovery.snapshot("run-2")
    taken = next(entry for entry in recovery.protection.snapshots if entry.snapshot_id == later).taken_at
    assert recovery.protection.why_not_over_schema(taken) == "", "what was captured since is of the schema since"


async def test_one_that_did_not_start_takes_no_way_back(recovery: Recovery) -> None:
    await recovery.arm()
    recovery.one_off.starts, recovery.one_off.code = False, None
    await migrate(recovery)
    assert recovery.protection.schema_changed is None


async def test_the_gates_before_it_name_what_speaks_against_it(recovery: Recovery) -> None:
    gates = await check(recovery, compatible=True)
    assert {name: gate.verdict for name, gate in gates.items()} == dict.fromkeys(gates, Verdict.PASS)
    assert set(gates) == {
        "migration_possible", "migration_way_back", "no_rollback_by_ecs", "schema_known", "database_encryption",
    }  # fmt: skip


async def test_there_is_no_way_back_where_nobody_says_so_or_the_old_version_migrates_at_its_start(
    recovery: Recovery,
) -> None:
    container = recovery.ecs.definitions[0]["containerDefinitions"][0]
    container["command"] = ["sh", "-c", "alembic upgrade head && uvicorn app:app"]
    container["environment"] = [{"name": "DATABASE_URL", "value": "postgresql://u:secret-1234@db/x"}]
    gates = await check(recovery)
    detail = gates["migration_way_back"].detail
    assert gates["migration_way_back"].verdict is Verdict.FAIL
    assert "nobody calls it compatible" in detail
    assert "migrates when it starts" in detail
    assert gates["database_encryption"].verdict is Verdict.FAIL
    assert "secret-1234" not in str(gates)


async def test_what_cannot_be_looked_at_is_inconclusive(recovery: Recovery) -> None:
    recovery.ecs.refusing["service"] = AwsError("ECS did not answer DescribeServices: x", temporary=True)
    assert await check(recovery) == {}
    answer = recovery.answer("run-1:check")
    assert answer is not None
    assert answer.verdict is Verdict.INCONCLUSIVE


async def test_another_migration_under_way_blocks_it(recovery: Recovery) -> None:
    await recovery.arm("run-0")
    await migrate(recovery, "run-0", work=False)
    command = CheckMigration(
        target=TARGET, run_id="run-1", migration=MigrationAsked(), change=ImageChange(reference=GOOD)
    )
    await recovery.send(command, "check")
    await recovery.work(only="check-migration")
    answer = recovery.answer("check")
    assert answer is not None
    assert (answer.verdict, answer.gates[0].name) == (Verdict.FAIL, "migration_possible")
