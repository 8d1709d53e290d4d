"""Snapshots: what is stored, for how long, and what of it is shown."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import policy
from contracts.deployment import Cause
from contracts.recovery import CaptureSnapshot, SnapshotCaptured
from services._aws.errors import AwsError
from services.recovery.domain.change import content_hash, matches_change, pinned, registrable, with_images
from services.recovery.domain.snapshots.retention import keep
from services.recovery.domain.snapshots.show import scrub, view
from services.recovery.domain.snapshots.snapshot import Snapshot, new_id
from services.recovery.domain.snapshots.snapshot_index import SnapshotEntry
from tests.services.recovery.harness import ARN, GOOD, SECRET, START, TARGET, Recovery

DEFAULTS = policy.Recovery()


async def as_stored(recovery: Recovery, snapshot_id: str) -> Snapshot:
    stored = await recovery.snapshots.get(TARGET, snapshot_id, recovery.protection.snapshots)
    assert stored is not None
    return stored.snapshot


def command(run: str = "run-1") -> CaptureSnapshot:
    return CaptureSnapshot(target=TARGET, run_id=run, purpose="before-change")


async def test_a_snapshot_is_stored_told_and_indexed() -> None:
    recovery = Recovery()
    snapshot_id = await recovery.snapshot()
    assert snapshot_id.startswith("20260112_143000_")
    [event] = recovery.published(SnapshotCaptured)
    assert (event.snapshot_id, event.task_definition) == (snapshot_id, f"{ARN}:1")
    assert [entry.snapshot_id for entry in recovery.protection.snapshots] == [snapshot_id]
    stored = await as_stored(recovery, snapshot_id)
    assert stored.task_definition["containerDefinitions"][0]["environment"][0]["value"] == SECRET
    assert stored.service["desiredCount"] == 3
    assert stored.digests == {"backend": "sha256:" + "a" * 64}
    assert stored.surroundings["scalable_targets"][0]["MaxCapacity"] == 6


async def test_while_something_is_rolled_out_the_version_before_is_the_way_back() -> None:
    recovery = Recovery()
    bad = recovery.ecs.add_definition("another")
    recovery.ecs.deploy_elsewhere(bad)
    snapshot_id = await recovery.snapshot()
    [entry] = recovery.protection.snapshots
    stored = await as_stored(recovery, snapshot_id)
    assert (stored.version, entry.task_definition) == (f"{ARN}:1", f"{ARN}:1")
    # what is replaced by a change is still what was live
    assert entry.deployment_id == recovery.ecs.history[-1]["id"]


async def test_a_job_that_died_after_storing_finds_its_own_object() -> None:
    recovery = Recovery()
    await recovery.send(command(), "capture")
    put = recovery.shelf.put

    async def put_and_die(*given: Any) -> bool:
        recovery.shelf.put = put  # type: ignore[method-assign]  # a fault that happens once
        await put(*given)
        raise AwsError("s3:PutObject got no answer: ReadTimeoutError.", temporary=True)

    recovery.shelf.put = put_and_die  # type: ignore[assignment,method-assign]  # a fault that happens once
    held = recovery.store.jobs["capture"]
    await recovery.work()
    held.state = "queued"
    recovery.clock.time += 60
    await recovery.work()
    assert len(recovery.shelf.objects) == 1
    assert [entry.snapshot_id for entry in recovery.protection.snapshots] == list(recovery.shelf.objects)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"deploymentController": {"type": "CODE_DEPLOY"}}, "CODE_DEPLOY"),
        ({"deploymentController": {"type": "EXTERNAL"}}, "EXTERNAL"),
        ({"deploymentConfiguration": {"strategy": "BLUE_GREEN"}}, "BLUE_GREEN"),
    ],
)
async def test_a_service_that_could_not_be_brought_back_is_refused_before_anything_changes(
    settings: dict[str, Any], named: str
) -> None:
    recovery = Recovery()
    recovery.ecs.settings |= settings
    await recovery.send(command(), "capture")
    await recovery.work()
    answer = recovery.answer("capture")
    assert answer is not None
    assert (answer.verdict, answer.cause) == ("fail", Cause.USAGE)
    assert named in answer.summary
    assert recovery.shelf.objects == {}


async def test_what_aws_refuses_is_answered_in_a_sentence() -> None:
    recovery = Recovery()
    recovery.shelf.failing = [AwsError("s3:PutObject failed: NoSuchBucket.", temporary=False, code="NoSuchBucket")]
    await recovery.send(command(), "capture")
    await recovery.work()
    recovery.ecs.settings["status"] = "DRAINING"
    await recovery.send(command(), "going")
    await recovery.work()
    recovery.ecs.gone = True
    await recovery.send(command(), "gone")
    await recovery.work()
    for name, cause, words in (
        ("capture", Cause.ERROR, "NoSuchBucket"),
        ("going", Cause.USAGE, "No snapshot was taken: the service BackendService is DRAINING"),
        ("gone", Cause.USAGE, "no service"),
    ):
        answer = recovery.answer(name)
        assert answer is not None
        assert (answer.verdict, answer.cause, [gate.name for gate in answer.gates]) == (
            "fail",
            cause,
            ["snapshot_stored"],
        )
        assert words in answer.summary


async def test_ten_snapshots_are_kept_and_the_armed_one_among_them() -> None:
    recovery = Recovery()
    await recovery.arm("first", minutes=24 * 60)
    held = recovery.protection.arm
    assert held is not None
    for number in range(12):
        recovery.clock.time += 60
        await recovery.snapshot(f"run-{number}")
    kept = [entry.snapshot_id for entry in recovery.protection.snapshots]
    assert len(kept) == DEFAULTS.keep
    assert kept[-1] == held.snapshot_id
    assert sorted(kept) == sorted(recovery.shelf.objects)


@given(
    ages=st.lists(st.tuples(st.integers(0, 90), st.booleans()), min_size=1, max_size=25),
    armed=st.integers(0, 24),
)
def test_what_may_still_be_needed_is_always_kept(ages: list[tuple[int, bool]], armed: int) -> None:
    index = [
        SnapshotEntry(
            snapshot_id=new_id(START - timedelta(days=age), str(number)),
            task_definition=ARN,
            taken_at=START - timedelta(days=age),
            proven=proven,
        )
        for number, (age, proven) in enumerate(ages)
    ]
    needed = index[armed % len(index)].snapshot_id
    kept, gone = keep(index, frozenset({needed}), START, DEFAULTS)
    assert len(kept) <= DEFAULTS.keep
    assert sorted([*kept, *gone], key=str) == sorted(index, key=str)
    names = {entry.snapshot_id for entry in kept}
    assert needed in names
    newest = max(index, key=lambda entry: (entry.taken_at, entry.snapshot_id))
    assert newest.snapshot_id in names
    proven = [entry for entry in index if entry.proven]
    if proven:
        assert max(proven, key=lambda entry: (entry.taken_at, entry.snapshot_id)).snapshot_id in names
    old = {entry.snapshot_id for entry in kept if entry.taken_at < START - timedelta(days=30)}
    assert len(old - {needed, newest.snapshot_id}) <= 1
    assert not [entry for entry in gone if entry.taken_at >= START - timedelta(days=30)] or len(kept) == DEFAULTS.keep


def entry_of(number: int, version: int, *, proven: bool = False, days: int = 0) -> SnapshotEntry:
    """Return the entry of the snapshot ``number``; a higher one is newer."""
    taken = START - timedelta(days=days) + timedelta(minutes=number)
    name = new_id(taken, str(number))
    return SnapshotEntry(snapshot_id=name, task_definition=f"{ARN}:{version}", taken_at=taken, proven=proven)


def test_retries_of_a_version_do_not_push_out_what_one_would_go_back_to() -> None:
    before, good = entry_of(0, 1, proven=True), entry_of(1, 2, proven=True)
    others = [entry_of(2 + number, 3 + number) for number in range(5)]
    retries = [entry_of(10 + number, 2) for number in range(20)]
    kept, gone = keep([before, good, *others, *retries], frozenset(), START, DEFAULTS)
    assert len(kept) == DEFAULTS.keep
    assert {before, good, *others, retries[-1]} <= set(kept)
    assert set(gone) < set(retries)
    assert list(kept) == sorted(kept, key=lambda entry: entry.taken_at, reverse=True)


def test_the_proven_snapshot_and_the_one_before_it_never_grow_too_old_and_never_lack_room() -> None:
    before, failed, good = (
        entry_of(0, 1, proven=True, days=400),
        entry_of(1, 2, days=400),
        entry_of(2, 3, proven=True, days=300),
    )
    newest = entry_of(3, 4)
    tight = DEFAULTS.model_copy(update={"keep": 1})
    for recovery in (DEFAULTS, tight):
        kept, gone = keep([before, failed, good, newest], frozenset(), START + timedelta(days=1), recovery)
        assert kept == (newest, good, before)
        assert gone == (failed,)
    # where no other version is proven, the one before is what was live before
    kept, _ = keep([failed, good, newest], frozenset(), START + timedelta(days=1), tight)
    assert kept == (newest, good, failed)


async def test_the_view_names_variables_and_hides_their_values() -> None:
    recovery = Recovery()
    snapshot_id = await recovery.snapshot()
    stored = await recovery.snapshots.get(TARGET, snapshot_id, recovery.protection.snapshots)
    assert stored is not None
    shown = view(stored, recovery.protection.snapshots[0])
    assert (shown["proof"], shown["proven"]) == ("index", False)
    assert SECRET not in json.dumps(shown, default=str)
    [container] = shown["containers"]
    assert container["environment"] == {"DATABASE_URL": "[redacted]", "APP_ENV": "[redacted]"}
    assert (container["secrets"], container["image"], shown["desired_count"]) == (["JWT"], GOOD, 3)


def test_scrubbing_hides_environment_values_and_what_is_named_like_a_secret() -> None:
    hidden = scrub({
        "logConfiguration": {"options": {"splunk-token": SECRET, "splunk-url": SECRET, "tag": "x"}},
        "environment": [{"name": "APP_ENV", "value": SECRET}],
        "nested": [{"environment": [{"name": "A", "value": SECRET}]}],
    })  # fmt: skip
    assert SECRET not in json.dumps(hidden)
    assert hidden["logConfiguration"]["options"]["tag"] == "x"


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("nginx", "nginx@sha256:d"),
        ("nginx:1.27", "nginx@sha256:d"),
        ("localhost:5000/app", "localhost:5000/app@sha256:d"),
        ("localhost:5000/app:2", "localhost:5000/app@sha256:d"),
        ("app@sha256:e", "app@sha256:e"),
        ("app:1@sha256:e", "app:1@sha256:e"),
    ],
)
def test_a_reference_is_pinned(reference: str, expected: str) -> None:
    assert pinned(reference, "sha256:d") == expected
    assert pinned(reference, None) == reference


def test_content_is_the_same_whatever_ecs_adds_or_reorders() -> None:
    definition = Recovery().ecs.definitions[0]
    [container] = definition["containerDefinitions"]
    reordered = {**container, "environment": container["environment"][::-1]}
    described = {**definition, "revision": 7, "status": "INACTIVE", "tags": [], "containerDefinitions": [reordered]}
    assert content_hash(definition) == content_hash(described) == content_hash(registrable(definition))
    assert content_hash(with_images(definition, {"backend": "x@sha256:1"})) != content_hash(definition)
    assert content_hash({**definition, "memory": "2048"}) != content_hash(definition)


def test_aws_own_tags_are_not_set_again() -> None:
    tags = [{"key": "aws:cloudformation:stack-name", "value": "x"}, {"key": "team", "value": "court"}]
    assert registrable({"tags": tags}) == {"tags": tags[1:]}
    assert registrable({"tags": tags[:1], "taskDefinitionArn": ARN, "deregisteredAt": START}) == {}


def test_a_change_is_known_by_its_content() -> None:
    definition = Recovery().ecs.definitions[0]
    assert matches_change(definition, {"backend": GOOD}, None)
    assert not matches_change(definition, {"backend": "x"}, None)
    assert not matches_change(definition, {}, None)
    assert all(matches_change(definition, {}, asked) for asked in ("backend", "backend:1", f"{ARN}:1"))
    assert not any(matches_change(definition, {}, asked) for asked in ("back", "backend:11", f"{ARN}:2"))
