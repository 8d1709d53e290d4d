"""Redis was restored from an older copy: recovery's own events come back to it before the commands do."""

import pytest

from contracts.recovery import CHANGE_ACCEPTED, CHANGE_APPLIED, ApplyChange, Disarm, SnapshotCaptured, TargetDisarmed
from contracts.results import ArmedOutput
from services._aws.errors import AwsError
from services.recovery.domain.protection import key_of
from tests.services.recovery.harness import BAD, TARGET, Recovery


async def captured() -> tuple[Recovery, SnapshotCaptured]:
    """Return recovery after it has taken a snapshot that its restored state does not know, and that event."""
    recovery = Recovery()
    await recovery.snapshot()
    (event,) = recovery.published(SnapshotCaptured)
    del recovery.store.states[key_of(TARGET)]
    return recovery, event


async def test_it_knows_its_snapshots_again_and_arms_with_them() -> None:
    recovery, event = await captured()
    before = event.model_copy(update={"proven": True})
    await recovery.send(before, "again", again=True)
    (entry,) = recovery.protection.snapshots
    assert (entry.snapshot_id, entry.deployment_id) == (event.snapshot_id, event.deployment_id)
    assert (entry.taken_at, entry.proven) == (event.taken_at, True)
    assert isinstance((await recovery.arm()).output, ArmedOutput)


async def test_what_was_removed_from_the_index_does_not_come_back() -> None:
    recovery, event = await captured()
    recovery.clock.time += 1
    recovery.shelf.objects.clear()
    await recovery.snapshot("run-2")
    await recovery.send(event, "again", again=True)
    assert [entry.snapshot_id for entry in recovery.protection.snapshots] != []
    assert not recovery.protection.has_snapshot(event.snapshot_id)


async def test_an_event_that_does_not_say_when_it_was_taken_is_left_alone() -> None:
    """Version 0.1.0 published such ones."""
    recovery, event = await captured()
    await recovery.send(event.model_copy(update={"taken_at": None}), "again", again=True)
    assert recovery.protection.snapshots == ()


async def test_that_nobody_is_armed_is_published_where_an_arm_was_forgotten() -> None:
    recovery, _ = await captured()
    await recovery.send(Disarm(target=TARGET, run_id="run-1"), "bye")
    assert [event.run_id for event in recovery.published(TargetDisarmed)] == ["run-1"]


async def test_at_any_other_time_its_own_event_changes_nothing() -> None:
    recovery, event = await captured()
    await recovery.send(event, "from nowhere")
    assert recovery.protection.snapshots == ()


@pytest.mark.parametrize(
    ("again", "same_redis", "gate"),
    [(False, True, CHANGE_ACCEPTED), (False, False, CHANGE_APPLIED), (True, True, CHANGE_APPLIED)],
    ids=["never restored", "its job is in an older copy", "its command is read again"],
)
async def test_after_a_restoration_no_change_is_said_to_have_changed_nothing(
    again: bool, same_redis: bool, gate: str
) -> None:
    """An attempt that is forgotten may have called UpdateService, whatever the one that is known has met."""
    recovery = Recovery()
    await recovery.arm()
    recovery.ecs.refusing["service"] = AwsError("ECS did not answer", code="ServerException", temporary=True)
    await recovery.send(ApplyChange(target=TARGET, run_id="run-1", images={"backend": BAD}), "change", again=again)
    recovery.store.jobs["change"].same_redis = same_redis
    await recovery.work(only="apply-change")
    answer = recovery.answer("change")
    assert answer is not None
    assert (answer.verdict, [found.name for found in answer.gates]) == ("fail", [gate])
