"""A rollback at the service's own pace: progress extends it, silence ends it, and what others decided stays."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.recovery import RollBack, RollbackFinished
from contracts.results import StepProgressed
from contracts.rollout_pace import LEAST_SILENCE, RolloutPace
from services._aws.errors import AwsError
from services.recovery.decisions.roll_back import OVERDUE_MARGIN
from services.recovery.domain.rollback.observed import Observed, Targets
from services.recovery.domain.rollback.roll_back import Done, Plan, Wait, next_move
from services.recovery.domain.work import RollbackProgress
from tests.services.recovery.harness import ARN, ROLL_SECONDS, TARGET, Recovery


@pytest.fixture
async def recovery() -> Recovery:
    """A bad image was deployed 20 seconds ago."""
    made = Recovery()
    await made.deployed()
    return made


def one_by_one(recovery: Recovery, tasks: int) -> None:
    recovery.ecs.desired, recovery.ecs.batches = tasks, tasks
    recovery.ecs.measured = RolloutPace(tasks=tasks, minimum_percent=100, maximum_percent=105, draining=60)


async def test_twenty_tasks_one_by_one_take_longer_than_ten_minutes_and_are_restored(recovery: Recovery) -> None:
    one_by_one(recovery, 40)
    finished = await recovery.rolled_back()
    assert (finished.result, finished.rollback.by) == ("restored", "surefoot")
    assert finished.rollback.seconds >= 40 * ROLL_SECONDS > LEAST_SILENCE
    assert "40 of 40 tasks of backend:1 run" in finished.detail
    told = [event.message for event in recovery.published(StepProgressed)]
    assert any("nothing may stand still for 10 minutes (20 batches of 2 tasks" in message for message in told)


async def test_what_stops_moving_has_failed_and_says_how_long_it_was_waited_for(recovery: Recovery) -> None:
    one_by_one(recovery, 40)
    stopped = recovery.clock.now() + 900

    def stall() -> None:
        if recovery.clock.now() >= stopped:
            recovery.ecs.batches = 10_000  # nothing starts any more

    recovery.clock.while_asleep.append(stall)
    finished = await recovery.rolled_back()
    assert finished.result == "failed"
    assert finished.detail.startswith("Nothing has moved for 10 minutes: 1 of 40 tasks of backend:1 run")
    assert "20 batches of 2 tasks, 120 s each to start and become healthy, 60 s to drain old tasks" in finished.detail
    assert 900 + LEAST_SILENCE - 60 <= finished.rollback.seconds <= 900 + LEAST_SILENCE + 60


async def test_each_progress_says_until_when_nothing_need_be_heard(recovery: Recovery) -> None:
    one_by_one(recovery, 20)
    began = recovery.now
    await recovery.rolled_back()
    told = recovery.published(StepProgressed)
    until = [event.silent_until for event in told if event.silent_until is not None]
    assert len(until) == len(told)
    assert min(until) == began + timedelta(seconds=LEAST_SILENCE)
    assert max(until) > began + timedelta(seconds=LEAST_SILENCE + 300)


async def test_the_timer_for_a_job_that_never_ends_follows_the_progress(recovery: Recovery) -> None:
    one_by_one(recovery, 40)
    due: list[float] = []
    recovery.clock.while_asleep.append(
        lambda: due.extend(timer.due for timer in recovery.store.timers.values() if timer.kind == "overdue")
    )
    began = recovery.clock.now()
    await recovery.rolled_back()
    assert due[0] == began + LEAST_SILENCE + OVERDUE_MARGIN
    assert due == sorted(due)
    assert due[-1] > recovery.clock.now() + OVERDUE_MARGIN
    assert recovery.store.timers == {}


async def test_a_new_executor_knows_how_far_it_had_come(recovery: Recovery) -> None:
    one_by_one(recovery, 20)
    await recovery.send(RollBack(target=TARGET, run_id="run-1", trigger="a gate failed"), "command")
    await recovery.work(die_at=12)
    [finished] = recovery.published(RollbackFinished)
    assert finished.result == "restored"
    assert recovery.ecs.updates == [f"{ARN}:2", f"{ARN}:1"]


async def test_old_tasks_that_drain_for_an_hour_are_not_waited_for(recovery: Recovery) -> None:
    recovery.ecs.drain_seconds = 3600
    finished = await recovery.rolled_back()
    assert finished.result == "restored"
    assert finished.rollback.seconds < 120
    assert finished.detail == (
        "The snapshot's version is live again; 3 of 3 tasks of backend:1 run, 3 healthy behind the load balancer, "
        "3 old tasks still drain."
    )


@pytest.mark.parametrize("number", [1, 5])
async def test_how_many_tasks_run_is_left_to_those_who_scale(recovery: Recovery, number: int) -> None:
    recovery.ecs.desired = number
    finished = await recovery.rolled_back()
    assert recovery.ecs.desired == number
    assert finished.detail.endswith(f"The desired count was left at {number}; the snapshot has 3.")


async def test_a_service_that_wants_no_task_is_restored(recovery: Recovery) -> None:
    recovery.ecs.desired = 0
    finished = await recovery.rolled_back()
    assert finished.result == "restored"
    assert "0 of 0 tasks of backend:1 run" in finished.detail


async def test_a_daemon_is_restored_and_has_no_number_of_tasks_to_be_left(recovery: Recovery) -> None:
    recovery.ecs.settings["schedulingStrategy"] = "DAEMON"
    recovery.ecs.desired = 4
    finished = await recovery.rolled_back()
    assert finished.result == "restored"
    assert "desired count" not in finished.detail


async def test_a_breaker_that_only_stops_is_no_rollback_of_ecs(recovery: Recovery) -> None:
    recovery.ecs.settings["deploymentConfiguration"]["deploymentCircuitBreaker"] = {"enable": True, "rollback": False}
    recovery.ecs.history[-1] |= {"status": "STOPPED", "deploymentCircuitBreaker": {"status": "TRIGGERED"}}
    finished = await recovery.rolled_back()
    assert (finished.result, finished.rollback.by) == ("restored", "surefoot")


async def test_a_way_back_that_does_not_move_while_aws_fails_ends_in_ten_minutes(recovery: Recovery) -> None:
    recovery.ecs.refusing["service"] = AwsError("ECS did not answer: ThrottlingException", temporary=True)
    finished = await recovery.rolled_back()
    assert finished.result == "failed"
    assert finished.detail.startswith("ECS did not answer: ThrottlingException. By hand: ")
    assert LEAST_SILENCE <= finished.rollback.seconds < LEAST_SILENCE + 15


# one look

PLAN = Plan(started_at=0, ordered=False, change="landed", no_straggler_after=0, restored_at=(1.0,))


def look(**changed: object) -> Observed:
    usual: dict[str, object] = {
        "now": 100.0, "live": "goal", "rollout": "IN_PROGRESS", "running": 3, "desired": 3, "targets": Targets(3),
        "ecs": "idle", "moved": True, "version": "web:41",
    }  # fmt: skip
    return Observed(**(usual | changed))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seen", "missing"),
    [
        (look(), ""),
        (look(targets=Targets(3, draining=3)), ""),
        (look(targets=None, rollout="COMPLETED"), ""),
        (look(targets=Targets(5, waiting=1), rollout="COMPLETED"), ""),  # others share the target group
        (look(running=2), "1 of its tasks do not run yet"),
        (look(targets=Targets(2)), "1 of its targets are not healthy yet"),
        (look(targets=Targets(2), rollout="COMPLETED"), "1 of its targets are not healthy yet"),
        # the new tasks run and do not serve yet, while as many old ones do
        (look(others=3), "3 tasks of another version still run"),
        (look(targets=Targets(3, waiting=3)), "more targets are registered than tasks are wanted"),
        (look(targets=Targets(6)), "more targets are registered than tasks are wanted"),
        (look(targets=None), "ECS has not completed the rollout yet"),
    ],
)
def test_a_version_is_restored_once_its_own_tasks_serve_alone(seen: Observed, missing: str) -> None:
    assert seen.missing.startswith(missing)
    assert bool(seen.missing) == bool(missing)
    move = next_move(seen, PLAN)
    if missing:
        assert isinstance(move, Wait)
        assert missing in move.message
    else:
        assert isinstance(move, Done)


@given(st.lists(st.integers(-3, 9), min_size=1, max_size=60))
def test_tasks_that_start_and_stop_again_do_not_extend_it_for_ever(standings: list[int]) -> None:
    progress, moved = RollbackProgress(), 0
    for now, standing in enumerate(standings, 1):
        before = progress
        progress = progress.after("ecs-svc/3", standing, float(now))
        moved += progress != before
    assert moved <= 1 + max(standings) - standings[0]
    assert progress.standing == max(standings)


def test_a_slow_rollout_ends_even_if_it_always_moves() -> None:
    pace = RolloutPace(tasks=20, minimum_percent=100, maximum_percent=105, draining=60)
    plan = replace(PLAN, moved_at=1e6, pace=pace)
    assert plan.deadline == pace.longest
