"""A rollback is not held to the time in which recovery itself could not look: it was away, or AWS did not answer."""

from collections.abc import Callable

import pytest

from contracts.recovery import RollBack, RollbackFinished
from contracts.results import StepProgressed
from contracts.rollout_pace import LEAST_SILENCE
from services._aws.errors import AwsError
from services.recovery.decisions.roll_back import OVERDUE_MARGIN
from services.recovery.domain.work import LOOKS_APART, MOST_UNSEEN, RollbackProgress
from tests.services.recovery.harness import ARN, TARGET, Recovery

THROTTLED = AwsError("ECS did not answer: ThrottlingException", temporary=True)


@pytest.fixture
async def recovery() -> Recovery:
    """A bad image was deployed 20 seconds ago, and a rollback is asked for."""
    made = Recovery()
    await made.deployed()
    await made.send(RollBack(target=TARGET, run_id="run-1", trigger="a gate failed"), "command")
    return made


async def ended(recovery: Recovery) -> RollbackFinished:
    await recovery.work()
    [finished] = recovery.published(RollbackFinished)
    return finished


async def away(recovery: Recovery, seconds: float) -> None:
    """Nobody works for so long, and no timer fires; then timers come first."""
    recovery.clock.time += seconds
    await recovery.fire()


@pytest.mark.parametrize("seconds", [700.0, 950.0, 1500.0, MOST_UNSEEN])
async def test_one_that_was_not_sent_before_recovery_was_away_is_sent_afterwards(
    recovery: Recovery, seconds: float
) -> None:
    await away(recovery, seconds)
    finished = await ended(recovery)
    assert (finished.result, finished.rollback.by) == ("restored", "surefoot")
    assert recovery.ecs.updates == [f"{ARN}:2", f"{ARN}:1"]


@pytest.mark.parametrize("seconds", [700.0, 1500.0, 4 * 3600.0])
async def test_what_aws_has_finished_meanwhile_is_restored_however_long_it_was(
    recovery: Recovery, seconds: float
) -> None:
    recovery.clock.while_asleep.append(_gone(recovery, seconds, looks=1))
    finished = await ended(recovery)
    assert finished.result == "restored", finished.detail


def _gone(recovery: Recovery, seconds: float, looks: int) -> Callable[[], None]:
    """Return what lets the process stand still once, for so long, after so many looks since UpdateService."""
    left = [0.0] * (looks - 1) + [seconds]

    def stand_still() -> None:
        if left and recovery.ecs.updates[-1:] == [f"{ARN}:1"]:
            recovery.clock.time += left.pop(0)

    return stand_still


async def test_time_that_was_seen_excuses_no_rollout_that_stands_still(recovery: Recovery) -> None:
    recovery.ecs.bad.add(recovery.ecs.definitions[0]["containerDefinitions"][0]["image"])
    recovery.clock.while_asleep.append(_gone(recovery, 900.0, looks=8))
    began = recovery.clock.now()
    finished = await ended(recovery)
    assert finished.result == "failed"
    assert finished.detail.startswith(
        "Nothing has moved for 24 minutes, for 14 minutes of which nobody could look: 1 of"
    )
    assert LEAST_SILENCE + 900 - LOOKS_APART - 10 <= recovery.clock.now() - began <= LEAST_SILENCE + 900


async def test_that_aws_does_not_answer_says_nothing_about_what_it_was_told_to_do(recovery: Recovery) -> None:
    """Throttled for half an hour after UpdateService; each progress tells for how long to go on waiting."""
    recovery.ecs.after_update.append(lambda: recovery.ecs.refusing.update(service=THROTTLED))
    ends = recovery.clock.now() + 1800

    def answer_again() -> None:
        if recovery.clock.now() >= ends:
            recovery.ecs.refusing.clear()

    due: list[float] = []
    recovery.clock.while_asleep += [
        answer_again,
        lambda: due.extend(timer.due - recovery.clock.now() for timer in recovery.store.timers.values()),
    ]
    finished = await ended(recovery)
    assert finished.result == "restored"
    assert finished.rollback.seconds >= 1800
    until = [told.silent_until.timestamp() for told in recovery.published(StepProgressed) if told.silent_until]
    assert max(until) >= ends
    assert min(due) > 0, "no timer ends it meanwhile"


async def test_it_is_not_waited_for_for_ever(recovery: Recovery) -> None:
    recovery.ecs.after_update.append(lambda: recovery.ecs.refusing.update(service=THROTTLED))
    finished = await ended(recovery)
    assert finished.result == "failed"
    assert finished.detail.startswith("ECS did not answer: ThrottlingException. By hand: ")
    assert MOST_UNSEEN + LEAST_SILENCE - 10 <= finished.rollback.seconds <= MOST_UNSEEN + LEAST_SILENCE + 60


async def test_a_job_that_does_not_end_is_ended_by_the_timer_once_it_had_time_for_a_look(recovery: Recovery) -> None:
    began = recovery.clock.now()
    recovery.store.jobs["rollback:run-1"].state = "frozen"
    await recovery.overdue()
    [finished] = recovery.published(RollbackFinished)
    assert (finished.result, finished.detail) == (
        "failed",
        "The rollback did not end by itself; look at the service.",
    )
    assert recovery.clock.now() == began + LEAST_SILENCE + 2 * OVERDUE_MARGIN


def test_looks_as_usual_leave_nothing_unseen_and_what_is_seen_to_move_starts_anew() -> None:
    progress = RollbackProgress()
    for now in range(10, 600, 50):
        progress = progress.looked(0.0, float(now))
    assert progress.unseen == 0
    progress = progress.looked(0.0, 1_000.0)
    assert progress.unseen == progress.unseen_since == 1_000 - 560 - LOOKS_APART
    moved = progress.after("ecs-svc/3", 1, 1_000.0)
    assert (moved.unseen, moved.unseen_since) == (progress.unseen, 0)


def test_a_progress_of_the_previous_version_is_no_time_away() -> None:
    before = RollbackProgress(moved_at=1_000.0, deployment_id="ecs-svc/3")
    assert before.looked(0.0, 1_030.0).unseen == 0
