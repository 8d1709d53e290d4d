"""How long a watch waits: what moves extends it, silence ends it, and there is a longest time in any case."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.deployment import Cause
from contracts.rollout_pace import RolloutPace
from services.health.domain.observed import NotObserved
from services.health.domain.watch.judge import Failed, Healthy, Judgement, Unknown, Watching, judge
from services.health.domain.watch.memory import Expected, Memory, Observed
from services.health.domain.watch.patience import deadline_of
from tests.services.health.harness import NOW, OLD, OURS, deployment, failed_task, look, looked, targets

LEAST = 900.0
"""Seconds that the policy gives a rollout."""
SLOW = RolloutPace(tasks=20, maximum_percent=105, registration=20, draining=330)
BY_PACE = Expected(OURS, "td/app:2", NOW + LEAST, SLOW)
FIXED = replace(BY_PACE, pace=None)
REFUSED = NotObserved("ECS did not answer DescribeServices: AccessDeniedException")


def rollout(ours: int, healthy: int | None = None, old: int | None = None, wanted: int = 20) -> Observed:
    """Return a look at a rollout: tasks of ours, of them healthy behind the load balancer, and old ones."""
    healthy, old = ours if healthy is None else healthy, wanted - ours if old is None else old
    done = ours == healthy == wanted and not old
    return look(
        deployment(running=ours, rollout_state="COMPLETED" if done else "IN_PROGRESS"),
        *((deployment(OLD, status="ACTIVE", running=old),) if old else ()),
        seen=targets(*["healthy"] * (healthy + old), *["initial"] * (ours - healthy)),
        desired=wanted,
    )


def watched(
    looks: Iterable[tuple[float, Observed | NotObserved]], expected: Expected
) -> tuple[Judgement, Memory, float]:
    """Watch ``looks`` (seconds since the beginning, what was seen); return the judgement, and when it was made."""
    memory, judgement, now = Memory(began_at=NOW), None, NOW
    for after, seen in looks:
        now = NOW + after
        memory = Memory.from_bytes(memory.to_bytes())
        if isinstance(seen, Observed):
            memory = looked(memory, seen, expected, now)
        judgement = judge(seen, expected, memory, now)
        if not isinstance(judgement, Watching):
            break
    assert judgement is not None
    return judgement, memory, now - NOW


def steady(tasks: int, seconds: float, last: int | None = None) -> list[tuple[float, Observed]]:
    """Return looks at a rollout whose tasks are replaced one by one, each in ``seconds``, up to the ``last``."""
    last = tasks if last is None else last
    return [(seconds * done, rollout(done, wanted=tasks)) for done in range(last + 1)]


def silent(
    after: float, seen: Observed | NotObserved, seconds: float = 7200
) -> list[tuple[float, Observed | NotObserved]]:
    return [(after + step * 5, seen) for step in range(1, int(seconds / 5))]


@pytest.mark.parametrize("tasks", [20, 50])
def test_many_tasks_that_are_replaced_one_by_one_take_their_time(tasks: int) -> None:
    found, _, took = watched(steady(tasks, 400), replace(BY_PACE, pace=SLOW.grown(tasks)))
    assert isinstance(found, Healthy)
    assert took == tasks * 400


def test_a_time_that_was_set_is_kept_to_however_the_rollout_moves() -> None:
    found, _, took = watched(steady(20, 60), FIXED)
    assert isinstance(found, Failed)
    assert (found.cause, took) == (Cause.TIMEOUT, LEAST)
    assert found.detail.startswith("The time for the rollout is over: rollout_completed")


def test_a_rollout_in_which_nothing_moves_is_found_when_the_time_of_the_policy_is_over() -> None:
    found, _, took = watched([(0, rollout(0)), *silent(0, rollout(0))], BY_PACE)
    assert isinstance(found, Failed)
    assert (found.cause, took) == (Cause.TIMEOUT, LEAST)
    assert found.detail.startswith("Nothing of the rollout has moved for 15 minutes; nothing may stand still for 10 ")


def test_a_rollout_that_stands_still_half_way_is_found_after_the_silence_of_its_pace() -> None:
    half, stopped = steady(20, 400, last=9), rollout(10, healthy=9)
    found, _, took = watched([*half, (4000, stopped), *silent(4000, stopped)], BY_PACE)
    assert isinstance(found, Failed)
    assert took == 4000 + SLOW.silence
    assert "targets_healthy 9, must be >= 20" in found.detail


def test_tasks_that_start_and_stop_again_are_no_progress() -> None:
    flapping = [(step * 60.0, rollout(step % 2, healthy=0, old=20)) for step in range(100)]
    found, _, took = watched(flapping, BY_PACE)
    assert isinstance(found, Failed)
    assert took == LEAST


def test_where_ecs_finds_no_room_for_a_task_its_words_are_told() -> None:
    words = "(service api) was unable to place a task. Reason: Capacity is unavailable at this time."
    stuck = look(
        deployment(running=0, rollout_state="IN_PROGRESS"), events=(words, "(service api) has started 1 tasks.")
    )
    found, _, took = watched([(0, stuck), *silent(0, stuck)], BY_PACE)
    assert isinstance(found, Failed)
    assert (took, found.detail.endswith(f". ECS says: {words}")) == (LEAST, True)
    placed = look(
        deployment(running=0, rollout_state="IN_PROGRESS"), events=("(service api) has started 1 tasks.", words)
    )
    found, _, _ = watched([(0, stuck), *silent(0, placed)], BY_PACE)
    assert "ECS says" not in getattr(found, "detail", "ECS says")


@pytest.mark.parametrize("expected", [BY_PACE, FIXED])
def test_tasks_that_fail_end_the_watch_at_once_at_any_pace(expected: Expected) -> None:
    failing = [
        (step * 30.0, replace(rollout(0), stopped=tuple(failed_task(number) for number in range(step))))
        for step in range(20)
    ]
    found, memory, took = watched(failing, expected)
    assert isinstance(found, Failed)
    assert (found.cause, memory.failures, took) == (Cause.GATE, 10, 300)


def test_a_rollout_that_moves_for_ever_ends() -> None:
    creeping = ((step * 300.0, rollout(0, old=200 - step)) for step in range(200))
    found, _, took = watched(creeping, BY_PACE)
    assert isinstance(found, Failed)
    assert SLOW.longest <= took < SLOW.longest + 300
    assert found.detail.startswith("The rollout is not over 5 hours ")


def test_scaling_out_during_the_rollout_gives_it_more_time() -> None:
    doubled = [(8000 + step * 400.0, rollout(20 + step, old=0, wanted=40)) for step in range(21)]
    found, memory, _ = watched([*steady(20, 400, last=19), *doubled], BY_PACE)
    assert isinstance(found, Healthy)
    assert memory.wanted == 40


def test_old_tasks_that_are_drained_before_a_new_one_may_start_are_waited_for() -> None:
    """Stop before start: each batch stands still for an hour while its old tasks drain."""
    pace = RolloutPace(tasks=4, minimum_percent=50, maximum_percent=100, registration=20, draining=3630)
    stops = [(0.0, rollout(0, old=4, wanted=4)), (30.0, rollout(0, old=2, wanted=4))]
    starts = [(3700.0, rollout(2, old=2, wanted=4)), (3730.0, rollout(2, old=0, wanted=4))]
    found, _, took = watched([*stops, *starts, (7400.0, rollout(4, wanted=4))], replace(BY_PACE, pace=pace))
    assert isinstance(found, Healthy)
    assert took == 7400


def test_a_worker_without_a_load_balancer_moves_by_its_tasks() -> None:
    looks = [(after, replace(seen, targets=None)) for after, seen in steady(20, 400)]
    found, _, _ = watched(looks, BY_PACE)
    assert isinstance(found, Healthy)


def test_without_targets_that_may_be_read_the_tasks_count_and_nobody_can_tell_in_the_end() -> None:
    denied = NotObserved("Elastic Load Balancing did not answer DescribeTargetHealth: AccessDenied")
    looks = [(after, replace(seen, targets=denied)) for after, seen in steady(20, 400)]
    found, _, took = watched([*looks, *silent(8000, looks[-1][1])], BY_PACE)
    assert isinstance(found, Unknown)
    assert took == 8000 + SLOW.silence
    assert "has moved for 10 minutes" in found.detail


def test_where_aws_stays_silent_nobody_can_tell_after_the_silence_of_the_pace() -> None:
    found, _, took = watched([*steady(20, 400, last=5), *silent(2000, REFUSED)], BY_PACE)
    assert isinstance(found, Unknown)
    assert (found.cause, took) == (Cause.ERROR, 2000 + SLOW.silence)


def test_a_deployment_that_never_begins_is_waited_for_as_long_as_the_policy_says() -> None:
    waiting = look(deployment(OLD, running=3))
    found, _, took = watched([(0, waiting), *silent(0, waiting)], Expected(None, None, NOW + LEAST, SLOW))
    assert isinstance(found, Unknown)
    assert (found.detail, took) == ("No deployment began before the deadline.", LEAST)


def test_a_checkpoint_of_the_version_before_is_read_and_waits_as_long() -> None:
    before = Memory.from_bytes(b'{"schema_version":1,"began_at":%d,"seen":true,"told":2}' % NOW)
    assert deadline_of(BY_PACE, before) == BY_PACE.deadline
    moved = looked(before, rollout(3), BY_PACE, NOW + 1000)
    assert deadline_of(BY_PACE, moved) == NOW + 1000 + SLOW.silence


STEPS = st.lists(
    st.tuples(st.integers(1, 900), st.integers(0, 20), st.integers(0, 20), st.integers(0, 20)), max_size=40
)


@given(STEPS, st.integers(1, 60), st.floats(0, 4000))
def test_the_deadline_only_grows_and_never_beyond_the_longest(
    steps: list[tuple[int, int, int, int]], wanted: int, draining: float
) -> None:
    expected = replace(BY_PACE, pace=RolloutPace(tasks=wanted, maximum_percent=110, draining=draining))
    memory, now, deadlines = Memory(began_at=NOW), NOW, [BY_PACE.deadline]
    for seconds, ours, healthy, old in steps:
        now += seconds
        before = memory
        memory = looked(memory, rollout(ours, min(ours, healthy), old, wanted), expected, now)
        deadlines.append(deadline_of(expected, memory))
        if memory.moved_at == before.moved_at:
            assert deadlines[-1] == deadlines[-2], "without progress nothing is extended"
    assert all(earlier <= later for earlier, later in pairwise(deadlines))
    assert expected.pace is not None
    assert deadlines[-1] <= max(BY_PACE.deadline, NOW + expected.pace.longest)
