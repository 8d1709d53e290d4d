"""When a service without tasks is being started, and is not down."""

import pytest

from services.monitor.domain.metrics import MINUTE, Readings, StoppedTask, with_stopped
from services.monitor.domain.rollout import START_SECONDS, Rollout
from services.monitor.domain.rules import evaluate
from services.monitor.domain.watched_service import WatchedService
from tests.services.monitor.harness import BALANCED, BY_NAME, GOOD_MINUTE, START, minutes

DOWN, ERRORS = BY_NAME["service_unavailable"], BY_NAME["error_rate"]
STOPS_FIRST = Rollout(id="ecs-svc/new", began_at=START, under_way=True, least=0, start_seconds=400.0, older=1)


def service(rollout: Rollout | None = None, **more: int) -> WatchedService:
    return BALANCED.model_copy(update={"wanted": 1, "running": 0, "rollout": rollout, **more})


def looks(*states: tuple[float, WatchedService]) -> WatchedService:
    """Return what is known after looks at these moments, in seconds after ``START``."""
    known: WatchedService | None = None
    for after, found in states:
        known = found.following(known, START + after)
    assert known is not None
    return known


def verdict(of: WatchedService, minute: int, rule: str = "service_unavailable") -> str:
    """Return how the two minutes before ``minute`` are judged, in which nothing was healthy and all requests failed."""
    empty = {**GOOD_MINUTE, "healthy": 0.0, "requests": 0.0, "elb_5xx": 100.0}
    series = minutes(*[empty] * (minute + 2), start=START - 2 * MINUTE)
    return evaluate(BY_NAME[rule], Readings(of, series), START + minute * MINUTE).verdict


GONE = STOPS_FIRST.model_copy(update={"older": 0})
DONE = GONE.model_copy(update={"running": 1, "under_way": False})


@pytest.mark.parametrize("rule", ["service_unavailable", "error_rate"])
def test_a_gap_that_the_configuration_asks_for_is_no_outage_until_a_start_takes_too_long(rule: str) -> None:
    known = looks((10, service(STOPS_FIRST)), (70, service(STOPS_FIRST)), (80, service(GONE)), (300, service(GONE)))
    assert known.gap is not None
    assert known.gap.ends == START + 70 + 400, "a start begins when the last old task was gone"
    assert verdict(known, 4, rule) == "no_data"
    assert verdict(known, 9, rule) == "no_data", "a part of the window still belongs to the gap"
    assert verdict(known, 10, rule) == "broken"


def test_old_tasks_may_drain_for_long_before_they_are_gone() -> None:
    known = looks((10, service(STOPS_FIRST)), (1800, service(STOPS_FIRST)))
    assert verdict(known, 30) == "no_data"


def test_the_gap_ends_with_the_deployment_and_is_not_judged_afterwards() -> None:
    known = looks((10, service(STOPS_FIRST)), (80, service(GONE)), (200, service(DONE)), (300, service(DONE)))
    assert known.gap is not None
    assert known.gap.ends == START + 200
    assert verdict(known, 4) == "no_data", "points come late"
    assert verdict(known, 6) == "broken"


def test_a_configuration_that_keeps_tasks_running_asks_for_no_gap() -> None:
    keeps = STOPS_FIRST.model_copy(update={"least": 1})
    assert verdict(looks((10, service(keeps))), 3) == "broken"


def test_what_was_down_before_the_deployment_was_down() -> None:
    later = STOPS_FIRST.model_copy(update={"began_at": START + 10 * MINUTE})
    assert verdict(looks((610, service(later))), 9) == "broken"


def test_a_service_that_wanted_no_task_is_given_the_time_of_a_start() -> None:
    asleep = service(DONE, wanted=0)
    known = looks((10, asleep), (70, service(DONE)), (130, service(DONE)))
    assert verdict(known, 3) == "no_data"
    assert verdict(known, 10) == "broken"


def task(after: float, **more: bool) -> StoppedTask:
    return StoppedTask(deployment_id="ecs-svc/new", stopped_at=START + after, why="taken back", **more)


def test_a_task_that_aws_takes_back_is_replaced_and_is_no_outage() -> None:
    found = Readings(service(DONE.model_copy(update={"start_seconds": START_SECONDS})), {})
    assert with_stopped(found, None).service.gap is None
    taken = with_stopped(found, (task(150, taken_back=True),)).service
    assert verdict(taken, 3) == "no_data"
    assert verdict(taken, 10) == "broken"


def test_what_ended_by_itself_makes_no_gap_and_one_of_two_tasks_is_not_all() -> None:
    found = Readings(service(DONE), {})
    assert with_stopped(found, (task(150, by_itself=True),)).service.gap is None
    two = Readings(service(DONE, wanted=2), {})
    assert with_stopped(two, (task(150, taken_back=True), task(160, by_itself=True))).service.gap is None


def test_a_deployment_serves_since_its_first_task_was_seen_to_run() -> None:
    begun = Rollout(id="new", began_at=START, under_way=True)
    runs = begun.model_copy(update={"running": 1})
    assert begun.following(None, START + 10).serving_since is None
    assert runs.following(begun, START + 60).serving_since == START + 60
    assert runs.following(None, START + 60).serving_since == START, "it may have run before the first look"
    known = runs.following(begun, START + 60)
    assert begun.following(known, START + 90).serving_since == START + 60, "also where its task has ended since"
    other = runs.model_copy(update={"id": "newer", "began_at": START + 80})
    assert other.following(known, START + 90).serving_since == START + 80


def test_it_has_settled_when_it_was_first_seen_not_to_be_under_way() -> None:
    begun = Rollout(id="new", began_at=START, under_way=True)
    done = begun.model_copy(update={"under_way": False})
    assert begun.following(None, START + 10).settled_at is None
    settled = done.following(begun, START + 60)
    assert settled.settled_at == START + 60
    assert begun.following(settled, START + 90).settled_at == START + 60


def test_it_is_said_how_many_tasks_run_and_whose() -> None:
    older = STOPS_FIRST.model_copy(update={"older": 1, "least": 1})
    down = service(older, wanted=3, running=1)
    empty = minutes(*[{**GOOD_MINUTE, "healthy": 0.0}] * 3)
    state = evaluate(DOWN, Readings(down, empty), START + 3 * MINUTE)
    assert state.detail == "1 of 3 wanted tasks run, 1 of them of older deployments"
