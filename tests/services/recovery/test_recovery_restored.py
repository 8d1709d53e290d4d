"""Redis was restored from an older copy: recovery's own events come back to it before the commands do."""

from contracts.recovery import Disarm, SnapshotCaptured, TargetDisarmed
from contracts.results import ArmedOutput
from services.recovery.domain.protection import key_of
from tests.services.recovery.harness import TARGET, Recovery


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
