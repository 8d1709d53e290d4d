"""Rules: right about missing data, few requests and late points."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.limits import LEAST_REQUESTS
from services.monitor.domain.metrics import LATE, MINUTE, Readings, metrics_of
from services.monitor.domain.rules import Rule, evaluate
from tests.services.monitor.harness import ALONE, BALANCED, BY_NAME, GOOD_MINUTE, RULES, START, readings

SERVICE_UNAVAILABLE, ERROR_RATE = BY_NAME["service_unavailable"], BY_NAME["error_rate"]
RESPONSE_TIME, DATABASE_CONNECTIONS = BY_NAME["response_time"], BY_NAME["database_connections"]
CPU = BY_NAME["cpu"]
AFTER_TWO = START + 2 * MINUTE


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_good_service_breaks_no_rule(rule: Rule) -> None:
    state = evaluate(rule, readings(*[GOOD_MINUTE] * 5), START + 5 * MINUTE)
    assert state.verdict == "ok"
    assert state.value is not None
    assert state.until == START + 5 * MINUTE


@pytest.mark.parametrize(
    ("errors", "verdict"), [({"target_5xx": 11.0}, "broken"), ({"target_5xx": 10.0}, "ok"), ({}, "ok")]
)
def test_an_error_rate_is_broken_above_ten_per_cent(errors: dict[str, float], verdict: str) -> None:
    state = evaluate(ERROR_RATE, readings(*[{**GOOD_MINUTE, **errors}] * 2), AFTER_TWO)
    assert state.verdict == verdict
    assert state.value == errors.get("target_5xx", 0.0)
    assert state.samples == 200


def test_the_load_balancers_own_errors_are_requests_that_failed() -> None:
    state = evaluate(ERROR_RATE, readings(*[{"requests": 80.0, "elb_5xx": 20.0}] * 2), AFTER_TWO)
    assert (state.verdict, state.value, state.samples) == ("broken", 20.0, 200)
    nobody_there = evaluate(ERROR_RATE, readings(*[{"elb_5xx": 30.0}] * 2), AFTER_TWO)
    assert (nobody_there.verdict, nobody_there.value) == ("broken", 100.0)


def test_one_bad_minute_of_two_is_not_broken() -> None:
    state = evaluate(ERROR_RATE, readings({**GOOD_MINUTE, "target_5xx": 90.0}, GOOD_MINUTE), AFTER_TWO)
    assert (state.verdict, state.value) == ("ok", 45.0)


@pytest.mark.parametrize("rule", [ERROR_RATE, RESPONSE_TIME], ids=lambda rule: rule.name)
def test_few_requests_are_no_rate(rule: Rule) -> None:
    bad = {"requests": 9.5, "target_5xx": 9.0, "response_time": 9.0}
    state = evaluate(rule, readings(bad, bad), AFTER_TWO)
    assert state.verdict == "no_data"
    assert "19 requests" in state.detail
    enough = {**bad, "requests": LEAST_REQUESTS / 2}
    assert evaluate(rule, readings(enough, enough), AFTER_TWO).verdict == "broken"


def test_no_point_is_a_verdict_of_its_own() -> None:
    for rule in RULES:
        if rule is not SERVICE_UNAVAILABLE:
            assert evaluate(rule, readings(), START).verdict == "no_data", rule.name


def test_a_service_that_shows_nothing_is_down_once_points_cannot_come_any_more() -> None:
    nobody = BALANCED.model_copy(update={"running": 0})
    seen = readings(GOOD_MINUTE, of=nobody)
    assert evaluate(SERVICE_UNAVAILABLE, seen, START + MINUTE + LATE).verdict == "ok"
    # two whole minutes after the last point, which are missing by then
    down = evaluate(SERVICE_UNAVAILABLE, seen, START + 3 * MINUTE + LATE)
    assert (down.verdict, down.value, down.samples) == ("broken", None, 0)
    assert "2 of 2 minutes show nothing" in down.detail


def test_an_outage_of_the_numbers_is_no_outage_of_the_service() -> None:
    later = START + 5 * MINUTE + LATE
    silent = evaluate(SERVICE_UNAVAILABLE, readings(GOOD_MINUTE), later)
    assert silent.verdict == "no_data"
    assert "ECS runs 2 tasks" in silent.detail
    unregistered = {name: value for name, value in GOOD_MINUTE.items() if name != "healthy"}
    assert evaluate(SERVICE_UNAVAILABLE, readings(GOOD_MINUTE, *[unregistered] * 4), later).verdict == "broken"


def test_a_late_point_is_waited_for() -> None:
    seen = readings(GOOD_MINUTE, GOOD_MINUTE)
    state = evaluate(SERVICE_UNAVAILABLE, seen, START + 4 * MINUTE)
    assert (state.verdict, state.until) == ("ok", AFTER_TWO)


def test_no_healthy_task_is_an_outage_unless_none_is_wanted_or_the_service_is_new() -> None:
    nobody = [{"healthy": 0.0}] * 2
    assert evaluate(SERVICE_UNAVAILABLE, readings(*nobody), AFTER_TWO).verdict == "broken"
    asleep = BALANCED.model_copy(update={"wanted": 0})
    assert evaluate(SERVICE_UNAVAILABLE, readings(*nobody, of=asleep), AFTER_TWO).verdict == "no_data"
    new = BALANCED.model_copy(update={"created_at": START, "running": 0})
    assert evaluate(SERVICE_UNAVAILABLE, readings(of=new), START + LATE + MINUTE).verdict == "no_data"
    assert evaluate(SERVICE_UNAVAILABLE, readings(of=new), START + LATE + 7 * MINUTE).verdict == "broken"


def test_without_a_load_balancer_running_tasks_count() -> None:
    assert evaluate(SERVICE_UNAVAILABLE, readings(*[{"running": 2.0}] * 2, of=ALONE), AFTER_TWO).verdict == "ok"
    assert (
        evaluate(SERVICE_UNAVAILABLE, readings(of=ALONE.model_copy(update={"running": 0})), AFTER_TWO + LATE).verdict
        == "broken"
    )
    assert "healthy" not in {metric.id for metric in metrics_of(ALONE)}
    assert len(metrics_of(BALANCED)) == 8


@pytest.mark.parametrize(("first", "second", "verdict"), [(2, 2, "ok"), (0, 5, "broken"), (3, 3, "broken")])
def test_connection_errors_add_up(first: float, second: float, verdict: str) -> None:
    seen = readings({"database_errors": first}, {"database_errors": second})
    assert evaluate(DATABASE_CONNECTIONS, seen, AFTER_TWO).verdict == verdict


def test_a_warning_takes_its_whole_window() -> None:
    busy = {"cpu": 90.0}
    assert evaluate(CPU, readings(*[busy] * 4), START + 4 * MINUTE).verdict == "no_data"
    assert evaluate(CPU, readings({"cpu": 70.0}, *[busy] * 4), START + 5 * MINUTE).verdict == "ok"
    state = evaluate(CPU, readings(*[busy] * 5), START + 5 * MINUTE)
    assert (state.verdict, state.value, state.samples) == ("broken", 90.0, 5)


points = st.dictionaries(
    st.sampled_from([START + index * MINUTE for index in range(-3, 12)]), st.floats(0, 1000, allow_nan=False)
)
SERIES = ("cpu", "memory", "requests", "target_5xx", "elb_5xx", "response_time", "healthy", "database_errors")


@given(
    series=st.fixed_dictionaries({}, optional=dict.fromkeys(SERIES, points)),
    now=st.floats(START, START + 15 * MINUTE),
)
def test_what_is_broken_is_broken_in_every_minute(series: dict[str, dict[float, float]], now: float) -> None:
    seen = Readings(BALANCED, series)
    for rule in RULES:
        state = evaluate(rule, seen, now)
        assert state.until <= now, "only full minutes are judged"
        window = [state.until - MINUTE * back for back in range(1, rule.minutes + 1)]
        values = [rule.series(seen)[minute] for minute in window if minute in rule.series(seen)]
        if state.verdict == "broken":
            if rule.measure.aggregation == "every":
                assert all(map(rule.breaks, values))
            else:
                assert rule.breaks(sum(values))
            assert rule.measure.absence == "is an outage" or values
            assert not rule.measure.requests or state.samples >= LEAST_REQUESTS
        if state.verdict == "ok":
            assert values, "nothing at all is never good"


@pytest.mark.parametrize(("late", "verdict"), [(4, "broken"), (14, "broken"), (16, "no_data")])
def test_a_rule_follows_a_cloudwatch_that_is_later_than_usual(late: int, verdict: str) -> None:
    slow = {**GOOD_MINUTE, "response_time": 9.0}
    assert evaluate(RESPONSE_TIME, readings(slow, slow), AFTER_TWO + late * MINUTE).verdict == verdict


def test_errors_of_the_load_balancer_are_nobodys_where_no_task_is_wanted() -> None:
    of = BALANCED.model_copy(update={"wanted": 0, "running": 0})
    state = evaluate(BY_NAME["error_rate"], readings(*[{"elb_5xx": 60.0}] * 3, of=of), START + 3 * MINUTE)
    assert (state.verdict, state.detail) == ("no_data", "no task is wanted")
