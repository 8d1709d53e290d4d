"""Recovery's pure functions, for any input."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import hypothesis.strategies as st
from hypothesis import given

from contracts.base import Target
from contracts.deployment import Rollback
from contracts.monitor import CriticalAlert, CriticalRule
from contracts.policy import Recovery
from contracts.policy_parts import RecoveryPolicy
from contracts.recovery import Arm
from services.recovery.domain import arm as arming
from services.recovery.domain.change import content_hash, pinned
from services.recovery.domain.outside import alert as alerts
from services.recovery.domain.outside.remembered import Firing
from services.recovery.domain.protection import (
    MOST_FIRING,
    MOST_PAST,
    Armed,
    OurChange,
    PastRollback,
    Protection,
    RollingBack,
)
from services.recovery.domain.rollback import roll_back as rolling
from services.recovery.domain.rollback.observed import Observed
from services.recovery.domain.rollback.roll_back import (
    MOST_RESTORES,
    POLL_SECONDS,
    SEEN_SECONDS,
    Done,
    Failed,
    Plan,
    Restore,
    Superseded,
    WaitForEcs,
    WaitForStack,
    next_move,
)
from services.recovery.domain.rollback.stack import WATCHED_SECONDS
from services.recovery.domain.snapshots.retention import keep
from services.recovery.domain.snapshots.snapshot_index import SnapshotEntry
from tests.properties.profiles import PROFILE
from tests.services.recovery.looks import LOOKS, PLANS

TARGET = Target(account="123456789012", region="us-west-2", cluster="c", service="s")
POLICY = RecoveryPolicy(recovery=Recovery())
START = datetime(2026, 1, 12, 14, 30, tzinfo=UTC)

moments = st.integers(-90 * 86400, 90 * 86400).map(lambda seconds: START + timedelta(seconds=seconds / 4))
runs, names, texts = st.sampled_from(["r1", "r2", "r3"]), st.sampled_from(["s1", "s2", "s3"]), st.text(max_size=5)
results = st.sampled_from(["restored", "superseded", "failed"])
changes = st.builds(
    OurChange,
    job=texts,
    begun_at=moments,
    images=st.dictionaries(texts, texts, max_size=2),
    asked=st.none() | texts,
    deployment_id=st.none() | texts,
    task_definition=st.none() | texts,
    ended=st.booleans(),
    ended_at=st.none() | moments,
)
arms = st.builds(
    Armed,
    run_id=runs,
    snapshot_id=names,
    armed_at=moments,
    expires_at=moments,
    auto_recovery=st.booleans(),
    already_firing=st.frozensets(names),
    change=st.none() | changes,
)
rollbacks = st.builds(
    RollingBack,
    rollback_id=texts,
    run_id=st.none() | runs,
    trigger=texts,
    snapshot_id=names,
    started_at=moments,
    commands=st.lists(texts, max_size=2).map(tuple),
)
records = st.builds(
    Rollback,
    trigger=texts,
    by=st.sampled_from(["surefoot", "ecs", "other"]),
    snapshot_id=names,
    seconds=st.floats(0, 1e6),
)
pasts = st.builds(
    PastRollback, rollback_id=texts, run_id=st.none() | runs, result=results, rollback=records, detail=texts
)
taken = st.builds(SnapshotEntry, snapshot_id=names, task_definition=texts, taken_at=moments, proven=st.booleans())
protections = st.builds(
    Protection,
    epoch=st.integers(0, 9),
    arm=st.none() | arms,
    rollback=st.none() | rollbacks,
    past=st.lists(pasts, max_size=3).map(tuple),
    firing=st.dictionaries(names, st.builds(Firing, rule=texts, began_at=moments)),
    snapshots=st.lists(taken, max_size=4).map(tuple),
)
critical = st.builds(
    CriticalAlert,
    target=st.just(TARGET),
    alert_id=names,
    rule=st.sampled_from(["error_rate", CriticalRule.DATABASE_CONNECTIONS]),
    state=st.sampled_from(["raised", "resolved"]),
    value=st.none() | st.floats(0, 100),
    comparison=st.just(">"),
    threshold=st.just(10.0),
    samples=st.just(40),
    began_at=moments,
    detail=texts,
    dependency=st.sampled_from(["", "", "", "the database is away"]),
)


@PROFILE
@given(protections)
def test_a_protection_is_read_as_it_was_written(protection: Protection) -> None:
    assert Protection.from_bytes(protection.to_bytes()) == protection


@PROFILE
@given(protections, runs, names, moments, moments)
def test_who_may_arm_is_armed_until_it_disarms(
    protection: Protection, run: str, snapshot: str, until: datetime, now: datetime
) -> None:
    command = Arm(target=TARGET, run_id=run, snapshot_id=snapshot, expires_at=until)
    if arming.why_not_arm(protection, command, now) is not None:
        return
    armed = arming.arm(protection, command, now, POLICY)
    held = armed.armed_for(run, now)
    assert held is not None
    assert held.expires_at == until
    assert armed.epoch in {protection.epoch, protection.epoch + 1}
    disarmed = arming.disarm(armed, run, now)
    assert disarmed is not None
    assert disarmed.armed_for(run, now) is None
    assert arming.disarm(disarmed, run, now) is None


@PROFILE
@given(protections, critical, moments)
def test_only_a_new_alert_of_an_armed_change_rolls_back(
    protection: Protection, alert: CriticalAlert, now: datetime
) -> None:
    noted = alerts.note(protection, alert, now)
    assert (alert.alert_id in noted.firing) == (alert.state == "raised")
    assert len(noted.firing) <= MOST_FIRING
    assert alerts.note(noted, alert, now) == noted
    held = protection.arm
    ours = alerts.judged_by_a_run(protection, now)
    if ours is not None and alerts.why_not_while_armed(protection, alert, ours) is None:
        assert held is not None
        assert held == protection.armed_for(held.run_id, now)
        assert held.auto_recovery
        assert held.change is not None
        assert alert.alert_id not in held.already_firing
        assert not alert.dependency
        assert alert.began_at > held.armed_at
        begun = rolling.begin(noted, _rollback_of(held, now))
        assert alerts.judged_by_a_run(begun, now) is None, "one rollback"


def _rollback_of(held: Armed, now: datetime) -> RollingBack:
    return RollingBack(
        rollback_id=f"rollback:{held.run_id}",
        run_id=held.run_id,
        trigger="alert",
        snapshot_id=held.snapshot_id,
        started_at=now,
    )


ended = st.sampled_from([Done("surefoot", "."), Done("ecs", "."), Superseded("."), Failed(".")])


@PROFILE
@given(protections, rollbacks, ended, moments)
def test_a_rollback_that_has_ended_is_remembered_and_uses_its_arm_up(
    protection: Protection, rollback: RollingBack, how: Any, now: datetime
) -> None:
    begun = rolling.begin(protection, rollback)
    assert begun.epoch == protection.epoch + 1
    over, past = rolling.end(begun, rollback, how, now)
    assert over.rollback is None
    assert over.past[-1] == past
    assert len(over.past) <= MOST_PAST
    assert past.rollback.seconds >= 0
    assert (past.result == "restored") == isinstance(how, Done)
    if rollback.run_id is not None:
        assert over.rollback_of(rollback.run_id) is not None
        assert over.armed_for(rollback.run_id, now) is None


@PROFILE
@given(LOOKS, PLANS)
def test_the_next_move_is_never_rash(seen: Observed, plan: Plan) -> None:
    move = next_move(seen, plan)
    if seen.now >= plan.deadline:
        assert isinstance(move, Done | Superseded | Failed), "what is not over by then calls people"
    match move:
        case Restore():
            assert len(plan.restored_at) < MOST_RESTORES
            assert seen.live == "judged" or (plan.ordered and seen.differs and not plan.restored_at)
            assert not plan.restored_at or seen.now - plan.restored_at[-1] >= SEEN_SECONDS
            assert plan.restored_at or seen.ecs != "rolling-back", "ECS is not raced"
            begun, back = plan.restored_at or plan.called, seen.stack is not None and seen.stack.going_back
            watched = plan.watched_from > 0 and seen.now >= plan.watched_from + WATCHED_SECONDS
            assert begun or not back or watched, "CloudFormation is not raced"
        case Done(by=by):
            assert seen.live == "goal"
            assert seen.healthy
            assert seen.now >= plan.no_straggler_after
            assert by == "surefoot" or not plan.restored_at
        case Superseded():
            assert seen.live == "foreign"
        case WaitForEcs():
            assert not plan.restored_at
        case WaitForStack():
            assert not plan.restored_at
            assert not plan.called
            assert seen.now < (plan.watched_from or seen.now) + WATCHED_SECONDS
        case _:
            pass


@PROFILE
@given(st.lists(LOOKS, min_size=1, max_size=20), PLANS)
def test_whatever_is_seen_a_rollback_ends_in_time(seen: list[Observed], plan: Plan) -> None:
    plan = replace(plan, restored_at=())
    now, polls = 0.0, 0
    while True:
        move = next_move(replace(seen[polls % len(seen)], now=now), plan)
        if isinstance(move, Done | Superseded | Failed):
            break
        if isinstance(move, WaitForStack):
            plan = replace(plan, watched_from=plan.watched_from or now)
        if isinstance(move, Restore):
            plan = replace(plan, restored_at=(*plan.restored_at, now))
        now, polls = now + POLL_SECONDS, polls + 1
    assert now < plan.deadline + POLL_SECONDS
    assert len(plan.restored_at) <= MOST_RESTORES


index = st.lists(
    st.builds(
        SnapshotEntry,
        snapshot_id=st.integers(0, 99).map(str),
        task_definition=st.just("t"),
        taken_at=moments,
        proven=st.booleans(),
    ),
    max_size=25,
    unique_by=lambda entry: entry.snapshot_id,
)


@PROFILE
@given(index, st.data(), moments, st.builds(Recovery, retention_days=st.floats(0.5, 60), keep=st.integers(1, 20)))
def test_what_may_be_needed_is_kept(
    snapshots: list[SnapshotEntry], data: st.DataObject, now: datetime, recovery: Recovery
) -> None:
    known = [snapshot.snapshot_id for snapshot in snapshots]
    needed = frozenset(data.draw(st.lists(st.sampled_from(known), max_size=3)) if known else ())
    kept, gone = keep(snapshots, needed, now, recovery)
    assert sorted((*kept, *gone), key=known_by) == sorted(snapshots, key=known_by)
    assert list(kept) == sorted(kept, key=lambda entry: (entry.taken_at, entry.snapshot_id), reverse=True)
    assert len(kept) <= max(recovery.keep, len(needed) + 2)
    assert not needed & {entry.snapshot_id for entry in gone}
    if snapshots:
        assert max(snapshots, key=lambda entry: (entry.taken_at, entry.snapshot_id)) in kept
    if any(snapshot.proven for snapshot in snapshots):
        assert any(entry.proven for entry in kept)
    assert keep(kept, needed, now, recovery) == (kept, ())


def known_by(entry: SnapshotEntry) -> str:
    return entry.snapshot_id


references = st.from_regex(r"\A[a-z0-9.-]{1,9}(:[0-9]{1,4})?(/[a-z0-9._-]{1,9}){1,2}(:[A-Za-z0-9._-]{1,9})?\Z")


@PROFILE
@given(references)
def test_a_pinned_image_stays_pinned(reference: str) -> None:
    digest = "sha256:" + "a" * 64
    once = pinned(reference, digest)
    assert once.endswith("@" + digest)
    assert reference.startswith(once.partition("@")[0])
    assert pinned(once, "sha256:" + "b" * 64) == once


@PROFILE
@given(st.dictionaries(texts, texts, max_size=5), st.randoms())
def test_the_order_of_variables_does_not_make_another_version(variables: dict[str, str], random: Any) -> None:
    pairs = [{"name": name, "value": value} for name, value in variables.items()]
    shuffled = random.sample(pairs, len(pairs))
    first, second = (
        {"family": "f", "containerDefinitions": [{"name": "c", "environment": each}]} for each in (pairs, shuffled)
    )
    assert content_hash(first) == content_hash(second)
