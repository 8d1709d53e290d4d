"""What the application tells of its schema, beside a migration: read before and after, kept, and judged by."""

from typing import Any

import pytest

from contracts.deployment import Cause
from contracts.gates import Verdict
from contracts.migration import MigrationFinished, MigrationStarted
from contracts.policy import Recovery as RecoverySection
from contracts.policy import ServicePolicy
from contracts.policy_parts import RecoveryPolicy
from contracts.recovery import Disarm
from contracts.schema_status import SchemaStatus
from services._aws.errors import AwsError
from tests.services.recovery.application import SILENT, at
from tests.services.recovery.harness import TARGET, Crash, Recovery
from tests.services.recovery.test_recovery_migration_in_run import NETWORK, check, migrate

OLD = at("a1e0", heads=("a1e0",), up_to_date=True)
NEW = at("b2f1", heads=("a1e0",), up_to_date=False)
BEHIND = at("a1e0", heads=("b2f1",), up_to_date=False)
LOGGED = {
    "logDriver": "awslogs",
    "options": {"awslogs-group": "/ecs/backend", "awslogs-stream-prefix": "ecs", "awslogs-region": "us-west-2"},
}
MISSING = AwsError("CloudWatch Logs has no such stream: GetLogEvents", code="ResourceNotFoundException")


@pytest.fixture
def recovery() -> Recovery:
    mine = Recovery()
    mine.ecs.settings |= {"launchType": "FARGATE", "networkConfiguration": NETWORK}
    mine.ecs.definitions[0]["containerDefinitions"][0]["logConfiguration"] = LOGGED
    mine.one_off.lines = ["INFO  [alembic.runtime.migration] Running upgrade a1e0 -> b2f1, cases"]
    return mine


def tells(recovery: Recovery, before: SchemaStatus, *after: SchemaStatus) -> None:
    recovery.application.before, recovery.application.after = before, list(after)


async def test_the_schema_before_and_after_stands_in_the_events_the_record_and_what_is_kept(recovery: Recovery) -> None:
    tells(recovery, OLD, NEW)
    await recovery.arm()
    answer = await migrate(recovery, compatible=True)
    assert answer is not None
    assert answer.verdict is Verdict.PASS
    assert "The application reports b2f1, and a1e0 before it." in answer.summary
    [started], [finished] = recovery.published(MigrationStarted), recovery.published(MigrationFinished)
    [past] = recovery.protection.past_migrations
    assert started.schema_before == finished.schema_before == past.schema_before == OLD
    assert finished.schema_after == past.schema_after == NEW


async def test_exit_code_0_without_effect_ends_the_run_before_its_change_by_a_gate_that_can_be_overridden(
    recovery: Recovery,
) -> None:
    tells(recovery, OLD, OLD)
    await recovery.arm()
    answer = await migrate(recovery, compatible=True)
    assert answer is not None
    assert (answer.verdict, answer.cause) == (Verdict.FAIL, Cause.GATE)
    assert [gate.name for gate in answer.gates] == ["migration_effect"]
    assert "may have migrated another database" in answer.summary
    [past] = recovery.protection.past_migrations
    assert (past.result, past.against) == ("unknown", "migration_effect")
    assert recovery.protection.schema_changed is not None, "what has changed nobody knows"


async def test_an_override_by_name_lets_it_count(recovery: Recovery) -> None:
    tells(recovery, OLD, OLD)
    await recovery.arm()
    answer = await migrate(recovery, overriding="migration_effect")
    assert answer is not None
    assert (answer.verdict, "by the override migration_effect" in answer.summary) == (Verdict.PASS, True)


async def test_where_the_policy_says_so_exit_code_0_is_enough(recovery: Recovery) -> None:
    section = RecoverySection(migration_success="exit-code")
    recovery.policies.reload(ServicePolicy(target=TARGET, recovery=section))
    tells(recovery, OLD, OLD)
    await recovery.arm()
    answer = await migrate(recovery)
    assert answer is not None
    assert (answer.verdict, "still reports a1e0" in answer.summary) == (Verdict.PASS, True)


async def test_what_is_told_late_is_waited_for(recovery: Recovery) -> None:
    tells(recovery, OLD, OLD, SILENT, OLD)
    recovery.application.after[1:] = [OLD, OLD, NEW]
    await recovery.arm()
    answer = await migrate(recovery)
    assert answer is not None
    assert (answer.verdict, "b2f1, and a1e0 before" in answer.summary) == (Verdict.PASS, True)


async def test_a_version_that_is_not_ready_any_more_takes_the_way_back(recovery: Recovery) -> None:
    tells(recovery, OLD, NEW.model_copy(update={"ready": False}))
    await recovery.arm()
    answer = await migrate(recovery, compatible=True)
    assert answer is not None
    assert [gate.name for gate in answer.gates] == ["migration_kept_ready"]
    assert "The way out is forward" in answer.summary
    assert recovery.protection.schema_changed is not None
    await recovery.send(Disarm(target=TARGET, run_id="run-1"), "disarm")
    assert "nobody calls it compatible" in recovery.protection.why_not_over_schema(
        recovery.protection.snapshots[0].taken_at
    )


@pytest.mark.parametrize("result", [1, None])
async def test_of_one_that_failed_it_is_told_where_the_schema_is(recovery: Recovery, result: int | None) -> None:
    tells(recovery, OLD, OLD)
    recovery.one_off.code = result
    await recovery.arm()
    answer = await migrate(recovery)
    assert answer is not None
    assert (answer.verdict, "reports a1e0, as before it" in answer.summary) == (Verdict.FAIL, True)


async def test_a_retry_of_a_run_whose_change_was_not_made_has_nothing_to_migrate(recovery: Recovery) -> None:
    tells(recovery, OLD, NEW)
    await recovery.arm()
    await migrate(recovery)
    await recovery.send(Disarm(target=TARGET, run_id="run-1"), "disarm")
    recovery.clock.time += 60
    recovery.one_off.lines = []
    tells(recovery, NEW, NEW)
    await recovery.arm("run-2")
    answer = await migrate(recovery, "run-2")
    assert answer is not None
    assert (answer.verdict, "there was nothing to be done" in answer.summary) == (Verdict.PASS, True)


@pytest.mark.parametrize("moment", range(1, 7))
async def test_whoever_dies_while_the_application_is_asked_asks_again(recovery: Recovery, moment: int) -> None:
    tells(recovery, OLD, OLD, OLD, OLD, NEW)
    await recovery.arm()
    left = [moment]

    def die() -> None:
        if recovery.one_off.over and left:
            left[0] -= 1
            if not left[0]:
                left.pop()
                raise Crash

    recovery.clock.while_asleep.append(die)
    answer = await migrate(recovery)
    assert answer is not None
    assert (answer.verdict, recovery.one_off.calls) == (Verdict.PASS, 1)
    assert recovery.published(MigrationFinished)[0].schema_before == OLD


@pytest.mark.parametrize(("late", "shown"), [(3, True), (20, False)])
async def test_a_stream_that_is_not_there_yet_is_waited_for(
    recovery: Recovery, monkeypatch: pytest.MonkeyPatch, late: int, shown: bool
) -> None:
    left = [late]

    async def log(*_: Any) -> list[str]:
        if left[0]:
            left[0] -= 1
            raise MISSING
        return ["done"]

    monkeypatch.setattr(recovery.one_off, "log", log)
    await recovery.arm()
    answer = await migrate(recovery)
    assert answer is not None
    assert answer.verdict is Verdict.PASS
    assert ("no such stream" in answer.summary) is not shown


async def test_a_log_is_read_until_it_grows_no_more(recovery: Recovery, monkeypatch: pytest.MonkeyPatch) -> None:
    grown: list[str] = []

    async def log(*_: Any) -> list[str]:
        if len(grown) < 3:
            grown.append(f"Running upgrade r{len(grown)} -> r{len(grown) + 1}")
        return list(grown)

    monkeypatch.setattr(recovery.one_off, "log", log)
    tells(recovery, at("r0"), at("r3"))
    await recovery.arm()
    answer = await migrate(recovery)
    assert answer is not None
    assert (answer.verdict, len(grown)) == (Verdict.PASS, 3)


async def test_after_a_failed_one_the_next_is_blocked_until_a_person_has_looked(recovery: Recovery) -> None:
    recovery.one_off.code = 137
    await recovery.arm()
    await migrate(recovery)
    await recovery.send(Disarm(target=TARGET, run_id="run-1"), "disarm")
    gate = (await check(recovery, "run-2", compatible=True))["schema_known"]
    assert gate.verdict is Verdict.FAIL
    for part in ("only a person can say", "exit code 137", "still holds a lock"):
        assert part in gate.detail
    await recovery.arm("run-3")
    recovery.one_off.code = 0
    await migrate(recovery, "run-3")
    gate = (await check(recovery, "run-4", compatible=True))["schema_known"]
    assert gate.verdict is Verdict.PASS, "one that has succeeded since settles it"


async def test_an_image_that_migrates_at_its_start_leaves_no_way_back_whoever_calls_it_compatible(
    recovery: Recovery,
) -> None:
    policy = RecoveryPolicy(recovery=RecoverySection(migrates_at_start=True))
    gate = (await check(recovery, compatible=True, policy=policy))["migration_way_back"]
    assert gate.verdict is Verdict.FAIL
    assert gate.detail.endswith("and ends where it does not know the database's revision.")


async def test_a_snapshot_knows_the_schema(recovery: Recovery) -> None:
    tells(recovery, OLD)
    snapshot_id = await recovery.snapshot()
    [entry] = recovery.protection.snapshots
    assert entry.schema_revisions == ("a1e0",)
    kept = await recovery.snapshots.get(TARGET, snapshot_id, recovery.protection.snapshots)
    assert kept is not None
    assert kept.snapshot.database == OLD
