"""When an alarm changes its state: the tables of the CloudWatch User Guide, and the words of the reasons."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.aws.cloudwatch.alarms import ALARM, INSUFFICIENT_DATA, OK, MetricAlarm, evaluate, judge
from sandbox.aws.cloudwatch.metric_queries import Query
from sandbox.aws.cloudwatch.metric_store import MetricStore, metric_key, samples

NOW = 1_763_985_600.0  # 24 November 2025, 12:00 UTC
KEY = metric_key("Shop", "Errors")
POINTS = Query("m1", "Errors", returned=True, period=60, metric=KEY, stat="Sum")
RETAINED = "as it was"
TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")


def alarm(periods: int, to_alarm: int, **more: object) -> MetricAlarm:
    fields = {"comparison": "GreaterThanThreshold", "threshold": 0.5, "state": RETAINED, **more}
    return MetricAlarm((POINTS,), "m1", 60, periods=periods, to_alarm=to_alarm, **fields)  # type: ignore[arg-type]


def judged(pattern: str, one: MetricAlarm) -> str:
    """``pattern`` is as in the tables, oldest first: X breaches, 0 does not, - is missing."""
    values = [{"X": 1.0, "0": 0.0, "-": None}[sign] for sign in reversed(pattern)]
    return judge(one, [(NOW - 60 * i, value) for i, value in enumerate(values, 1)])[0]


@pytest.mark.parametrize(
    ("pattern", "to_alarm", "states"),
    [
        # "How alarm state is evaluated when data is missing": 3 of 3, evaluation range 5.
        ("0-X-X", 3, (OK, OK, OK, OK)),
        ("0----", 3, (OK, OK, OK, OK)),
        ("-----", 3, (INSUFFICIENT_DATA, RETAINED, ALARM, OK)),
        ("0XX-X", 3, (ALARM, ALARM, ALARM, ALARM)),
        ("--X--", 3, (ALARM, RETAINED, ALARM, OK)),
        # The same page: 2 of 3.
        ("0-X-X", 2, (ALARM, ALARM, ALARM, ALARM)),
        ("00X0X", 2, (ALARM, ALARM, ALARM, ALARM)),
        ("0-X--", 2, (OK, OK, ALARM, OK)),
        ("----0", 2, (OK, OK, ALARM, OK)),
        ("---X-", 2, (ALARM, RETAINED, ALARM, OK)),
        # A single breaching point of three that are needed says nothing yet.
        ("----X", 3, (RETAINED, RETAINED, ALARM, OK)),
    ],
)
def test_the_tables_of_the_user_guide(pattern: str, to_alarm: int, states: tuple[str, ...]) -> None:
    found = tuple(judged(pattern, alarm(3, to_alarm, missing=missing)) for missing in TREATMENTS)
    assert found == states


@given(st.text(alphabet="X0", min_size=7, max_size=7), st.integers(1, 5), st.sampled_from(TREATMENTS))
def test_without_missing_points_it_is_m_of_n_and_nothing_else(pattern: str, to_alarm: int, missing: str) -> None:
    expected = ALARM if pattern[-5:].count("X") >= to_alarm else OK
    assert judged(pattern, alarm(5, to_alarm, missing=missing)) == expected


@pytest.mark.parametrize(
    ("comparison", "states"),
    [
        ("GreaterThanThreshold", (OK, OK, ALARM)),
        ("GreaterThanOrEqualToThreshold", (OK, ALARM, ALARM)),
        ("LessThanThreshold", (ALARM, OK, OK)),
        ("LessThanOrEqualToThreshold", (ALARM, ALARM, OK)),
    ],
)
def test_comparisons(comparison: str, states: tuple[str, ...]) -> None:
    one = alarm(1, 1, comparison=comparison, threshold=5.0)
    assert tuple(judge(one, [(NOW - 60, value)])[0] for value in (4.0, 5.0, 6.0)) == states


def store_of(*newest_first: float) -> MetricStore:
    store = MetricStore()
    for minutes, value in enumerate(newest_first, 1):
        store.put(KEY, NOW - 60 * minutes, samples([value]))
    return store


def test_reasons_are_in_the_words_of_cloudwatch() -> None:
    state, reason = evaluate(alarm(3, 2, threshold=10.0), store_of(12.0, 30.0, 1.0), NOW + 59)
    assert state == ALARM
    assert reason == (
        "Threshold Crossed: 2 out of the last 3 datapoints [12.0 (24/11/25 11:59:00), 30.0 (24/11/25 11:58:00)]"
        " were greater than the threshold (10.0) (minimum 2 datapoints for OK -> ALARM transition)."
    )
    state, reason = evaluate(alarm(1, 1, threshold=10.0), store_of(3.0), NOW)
    assert state == OK
    assert reason == (
        "Threshold Crossed: 1 out of the last 1 datapoint [3.0 (24/11/25 11:59:00)]"
        " was not greater than the threshold (10.0) (minimum 1 datapoint for ALARM -> OK transition)."
    )
    assert evaluate(alarm(3, 3), MetricStore(), NOW) == (
        INSUFFICIENT_DATA,
        "Insufficient Data: 3 datapoints were unknown.",
    )
    assert evaluate(alarm(3, 3, missing="breaching"), MetricStore(), NOW)[1] == (
        "Threshold Crossed: no datapoints were received for 3 periods"
        " and 3 missing datapoints were treated as [Breaching]."
    )


def test_the_minute_that_is_not_over_does_not_count() -> None:
    store = store_of(0.0)
    store.put(KEY, NOW + 10, samples([99.0]))
    assert evaluate(alarm(1, 1), store, NOW + 30)[0] == OK
    assert evaluate(alarm(1, 1), store, NOW + 60)[0] == ALARM


def test_a_percentile_and_an_expression_can_be_watched() -> None:
    store = MetricStore()
    for minutes in (1, 2):
        store.put(KEY, NOW - 60 * minutes, samples([1.0, 9.0], [90.0, 10.0]))
        store.put(metric_key("Shop", "Requests"), NOW - 60 * minutes, samples([200.0]))
    p95 = Query("m1", "Errors", returned=True, period=60, metric=KEY, stat="p95")
    slow = MetricAlarm((p95,), "m1", 60, "GreaterThanThreshold", 5.0, periods=2, to_alarm=2)
    assert evaluate(slow, store, NOW)[0] == ALARM
    requests = Query("req", "Requests", returned=False, period=60, metric=metric_key("Shop", "Requests"), stat="Sum")
    rate = Query("rate", "rate", returned=True, period=None, expression="IF(req>=100, 100*FILL(m1,0)/req, 0)")
    rated = MetricAlarm((POINTS, requests, rate), "rate", 60, "GreaterThanThreshold", 80.0, periods=2, to_alarm=2)
    assert evaluate(rated, store, NOW)[0] == ALARM  # (90 + 10 times 9) / 200 = 90 %
    wrong = MetricAlarm((POINTS, Query("e", "e", returned=True, period=None, expression="m2")), "e", 60,
                        "GreaterThanThreshold", 80.0, periods=2, to_alarm=2)  # fmt: skip
    state, reason = evaluate(wrong, store, NOW)
    assert state == INSUFFICIENT_DATA
    assert "'m2' is not defined" in reason
