"""Do the tasks of the new version stay up? The evidence of a worker, which nobody sends requests."""

import pytest

from contracts.gates import Gate, Verdict
from services.monitor.domain.metrics import MINUTE, StoppedTask
from services.monitor.domain.rollout import Rollout
from services.monitor.domain.tasks import stay_up
from services.monitor.domain.watched_service import WatchedService
from tests.services.monitor.harness import ALONE, BALANCED, START

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE
OURS, OLDER = "ecs-svc/new", "ecs-svc/old"
ROLLOUT = Rollout(id=OURS, began_at=START, running=2, settled_at=START + 60)
SINCE, DEADLINE = START + 5, START + 15 * MINUTE


def stopped(after: float, of: str = OURS, *, by_itself: bool = True, taken_back: bool = False) -> StoppedTask:
    why = "Essential container in task exited (exit code 1)"
    return StoppedTask(of, START + after, why, by_itself=by_itself, taken_back=taken_back)


def judged(
    *tasks: StoppedTask, minute: float = 10.5, of: WatchedService = ALONE, wanted: int = 2, rollout: Rollout = ROLLOUT
) -> Gate:
    service = of.model_copy(update={"wanted": wanted, "rollout": rollout})
    return stay_up(service, tasks, SINCE, DEADLINE, START + minute * MINUTE)


def test_tasks_that_stay_up_for_ten_minutes_prove_a_worker() -> None:
    assert (judged(minute=10).verdict, judged(minute=11.5).verdict) == (INCONCLUSIVE, PASS)
    assert (
        judged(minute=11.5).detail
        == "2 of 2 wanted tasks run; 0 of deployment ecs-svc/new since the change ended by themselves"
    )


def test_where_users_are_evidence_two_minutes_are_enough() -> None:
    assert judged(minute=3.5, of=BALANCED).verdict is PASS


def test_the_deadline_ends_the_wait() -> None:
    late = ROLLOUT.model_copy(update={"settled_at": START + 12 * MINUTE})
    assert judged(minute=15, rollout=late).verdict is PASS


@pytest.mark.parametrize("of", [ALONE, BALANCED])
def test_a_task_that_ended_by_itself_fails_at_once_and_its_reason_is_told(of: WatchedService) -> None:
    gate = judged(stopped(300), minute=5.5, of=of)
    assert gate.verdict is FAIL
    assert gate.arithmetic == "1, must be <= 0 (2 samples)"
    assert gate.detail.endswith("ended: Essential container in task exited (exit code 1)")


@pytest.mark.parametrize(
    "task",
    [
        stopped(300, by_itself=False),
        stopped(300, by_itself=False, taken_back=True),
        stopped(300, OLDER),
        stopped(50),
    ],
    ids=["scaled in", "taken back", "of the version before", "during the roll-out, which others judge"],
)
def test_what_is_not_the_version_s_own_end_is_not_held_against_it(task: StoppedTask) -> None:
    assert judged(task, minute=11.5).verdict is PASS


def test_of_many_tasks_a_few_may_end() -> None:
    few = [stopped(300 + n) for n in range(3)]
    assert judged(*few, minute=11.5, wanted=60).verdict is PASS
    assert judged(*few, stopped(400), minute=11.5, wanted=60).verdict is FAIL


def test_a_version_before_whose_tasks_ended_as_often_is_no_better() -> None:
    before = [stopped(-200, OLDER), stopped(-100, OLDER)]
    gate = judged(*before, stopped(300), stopped(400), minute=11.5)
    assert gate.verdict is PASS
    assert gate.not_applicable is not None
    assert "2 of the version before in an equal time" in gate.not_applicable
    assert judged(*before, *[stopped(300 + n) for n in range(3)], minute=11.5).verdict is FAIL
    long_ago = [stopped(-3000, OLDER), stopped(-2900, OLDER)]
    assert judged(*long_ago, stopped(300), minute=11.5).verdict is FAIL, "an equal time before is compared"


def test_where_ecs_does_not_list_them_a_worker_has_no_evidence_and_others_do_without() -> None:
    alone = ALONE.model_copy(update={"rollout": ROLLOUT})
    gate = stay_up(alone, None, SINCE, DEADLINE, DEADLINE)
    assert (gate.verdict, gate.needs) == (INCONCLUSIVE, 1)
    balanced = BALANCED.model_copy(update={"rollout": ROLLOUT})
    assert stay_up(balanced, None, SINCE, DEADLINE, DEADLINE).not_applicable is not None


def test_nothing_applies_where_no_task_is_wanted_or_ecs_lists_no_deployment() -> None:
    assert judged(stopped(300), wanted=0).not_applicable == "the service wants no task"
    assert stay_up(ALONE, (), SINCE, DEADLINE, DEADLINE).not_applicable is not None


def test_a_start_that_failed_once_is_not_held_against_a_deployment_whose_old_tasks_still_drain() -> None:
    """ECS calls it under way until the last old task has drained; the watch found it healthy before that."""
    draining = ROLLOUT.model_copy(update={"settled_at": None, "under_way": True})
    service = BALANCED.model_copy(update={"wanted": 2, "rollout": draining})

    def gate(*tasks: StoppedTask, minute: float) -> Gate:
        return stay_up(service, tasks, SINCE, DEADLINE, START + minute * MINUTE, asked_at=START + 120)

    assert gate(stopped(100), minute=4.5).verdict is PASS
    assert gate(stopped(100), stopped(130), minute=2.5).verdict is FAIL


def test_tasks_of_a_deployment_that_was_rolled_back_excuse_no_second_try() -> None:
    again = ROLLOUT.model_copy(update={"replaces": (OLDER,)})
    first_try = [stopped(-200, "ecs-svc/rolled-back"), stopped(-100, "ecs-svc/rolled-back")]
    assert judged(*first_try, stopped(300), minute=11.5, rollout=again).verdict is FAIL
    seen = again.following(ROLLOUT.model_copy(update={"replaces": ("ecs-svc/oldest",)}), START + 60)
    assert seen.replaces == ("ecs-svc/oldest", OLDER), "what an earlier look has seen is kept"
