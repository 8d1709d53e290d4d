"""Evaluates metric alarms as CloudWatch does, and applies the new states to moto's alarms.

Source: "Alarm evaluation" and "Configuring how CloudWatch alarms treat missing data" in the CloudWatch User
Guide; the tables of the latter are tests. Anomaly bands and Metrics Insights are left out.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import floor
from operator import ge, gt, le, lt
from typing import Any

from sandbox.aws.cloudwatch.composite_alarms import rule_of
from sandbox.aws.cloudwatch.metric_math import InvalidExpression
from sandbox.aws.cloudwatch.metric_queries import Query, resolve
from sandbox.aws.cloudwatch.metric_queries import check as check_queries
from sandbox.aws.cloudwatch.metric_store import MetricStore, metric_key

OK, ALARM, INSUFFICIENT_DATA = "OK", "ALARM", "INSUFFICIENT_DATA"
SPARE_PERIODS = 2
"""How many more periods than EvaluationPeriods an alarm looks back for points. CloudWatch says only that
there are some, and shows an evaluation range of 5 for 3 periods."""

MOST = 10
"""The most metrics of an alarm, and the most expressions (CloudWatch API Reference, MetricDataQuery)."""
SPAN_LIMIT = 7 * 86_400
"""Seconds that the evaluation of one alarm may span, for periods of an hour and more."""

_TREATMENTS = ("breaching", "notBreaching", "ignore", "missing")
_BREACHES: Mapping[str, tuple[Callable[[float, float], bool], str]] = {
    "GreaterThanThreshold": (gt, "greater than"),
    "GreaterThanOrEqualToThreshold": (ge, "greater than or equal to"),
    "LessThanThreshold": (lt, "less than"),
    "LessThanOrEqualToThreshold": (le, "less than or equal to"),
}


@dataclass(frozen=True, slots=True)
class MetricAlarm:
    """The settings of PutMetricAlarm, and the state that the alarm is in."""

    queries: tuple[Query, ...]
    watched: str
    """The id of the one query whose points are compared."""
    period: int
    comparison: str
    threshold: float
    periods: int
    """EvaluationPeriods: the N of M of N."""
    to_alarm: int
    """DatapointsToAlarm: the M."""
    missing: str = "missing"
    """TreatMissingData: missing, breaching, notBreaching or ignore."""
    state: str = INSUFFICIENT_DATA
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of one alarm's state, with the actions to take."""

    alarm: str
    old: str
    new: str
    reason: str
    actions: tuple[str, ...]
    """ARNs to notify; empty while the alarm's actions are disabled."""


def evaluate(alarm: MetricAlarm, store: MetricStore, now: float) -> tuple[str, str]:
    """Return the state and its reason at ``now`` (product epoch seconds), by the whole periods before it."""
    end = floor(now / alarm.period) * alarm.period
    start = end - (alarm.periods + SPARE_PERIODS) * alarm.period
    try:
        series = resolve(alarm.queries, store, start, end)[alarm.watched]
    except InvalidExpression as error:
        return INSUFFICIENT_DATA, f"Evaluation error: {error}"
    if not isinstance(series, dict):
        return INSUFFICIENT_DATA, "Evaluation error: the watched expression is not a single time series"
    moments = range(end - alarm.period, start - 1, -alarm.period)
    return judge(alarm, [(float(at), series.get(at)) for at in moments])


def judge(alarm: MetricAlarm, points: Sequence[tuple[float, float | None]]) -> tuple[str, str]:
    """Return the state and its reason by ``points``: (start of the period, value or None), newest first.

    With as many points as EvaluationPeriods the newest of these decide and missing ones do not matter.
    With fewer, TreatMissingData fills the rest; by ``missing`` and ``ignore`` the few decide alone.
    """
    test, _ = _BREACHES[alarm.comparison]
    found = [(at, value) for at, value in points if value is not None][: alarm.periods]
    breaching = [(at, value) for at, value in found if test(value, alarm.threshold)]
    lacking = alarm.periods - len(found)
    if lacking and alarm.missing == "breaching":
        state = ALARM if len(breaching) + lacking >= alarm.to_alarm else OK
    elif len(breaching) >= alarm.to_alarm:
        state = ALARM
    elif not lacking or alarm.missing == "notBreaching" or len(breaching) < len(found):
        state = OK
    elif alarm.missing == "ignore":
        return alarm.state, alarm.reason
    elif not found:
        return INSUFFICIENT_DATA, f"Insufficient Data: {_many(alarm.periods)} were unknown."
    else:
        # Every known point breaches, and there are too few. CloudWatch alarms once the oldest has waited for
        # as many periods as it needs points, so that a metric which then fell silent is not forgotten.
        waited = sum(at >= breaching[-1][0] for at, _ in points)
        if waited < alarm.to_alarm:
            return alarm.state, alarm.reason
        state = ALARM
    return state, _reason(alarm, state, found, breaching)


def _reason(
    alarm: MetricAlarm,
    state: str,
    found: Sequence[tuple[float, float]],
    breaching: Sequence[tuple[float, float]],
) -> str:
    """Return the reason in CloudWatch's words, as its notices have them."""
    lacking, words = alarm.periods - len(found), _BREACHES[alarm.comparison][1]
    treated = alarm.missing in {"breaching", "notBreaching"} and lacking
    name = "Breaching" if alarm.missing == "breaching" else "NonBreaching"
    filled = f"{lacking} missing {'datapoint was' if lacking == 1 else 'datapoints were'} treated as [{name}]"
    if not found:
        return f"Threshold Crossed: no datapoints were received for {lacking} periods and {filled}."
    shown = breaching if state == ALARM and breaching else [point for point in found if point not in breaching]
    one = len(shown) == 1
    listed = ", ".join(f"{value!r} ({datetime.fromtimestamp(at, UTC):%d/%m/%y %H:%M:%S})" for at, value in shown)
    verb = ("was" if one else "were") if state == ALARM and breaching else ("was not" if one else "were not")
    needed = alarm.to_alarm if state == ALARM else alarm.periods - alarm.to_alarm + 1
    course = "OK -> ALARM" if state == ALARM else "ALARM -> OK"
    return (
        f"Threshold Crossed: {len(shown)} out of the last {_many(len(found))} [{listed}] {verb} {words}"
        f" the threshold ({alarm.threshold!r})"
        + (f" and {filled}" if treated else "")
        + f" (minimum {_many(needed)} for {course} transition)."
    )


def _many(count: int) -> str:
    return f"{count} datapoint{'' if count == 1 else 's'}"


def step(alarms: Iterable[Any], store: MetricStore, now: float, muted: Collection[str] = ()) -> list[Transition]:
    """Evaluate moto's ``alarms`` at ``now``, in product epoch seconds, and put the new states into them.

    Call it once a product minute, after the metrics of that minute. Composite alarms follow the others. Those that are
    ``muted`` have no actions to take.
    """
    known = {alarm.name: alarm for alarm in alarms}
    plain = [alarm for alarm in known.values() if alarm.rule is None]
    transitions = [_step(alarm, *evaluate(metric_alarm(alarm), store, now), now) for alarm in plain]
    transitions += [_step(alarm, *_composite(alarm, known), now) for alarm in known.values() if alarm.rule is not None]
    changes = [change for change in transitions if change is not None]
    return [replace(change, actions=()) if change.alarm in muted else change for change in changes]


def _composite(alarm: Any, known: Mapping[str, Any]) -> tuple[str, str]:
    states = {name: alarm.state_value for name, alarm in known.items()}
    state = ALARM if rule_of(alarm.rule)(states) else OK
    return state, f"{alarm.rule} is {'true' if state == ALARM else 'false'}"


def _step(alarm: Any, state: str, reason: str, now: float) -> Transition | None:
    old = alarm.state_value
    if state == old:
        return None
    set_state(alarm, state, reason, "{}", now)
    actions = {
        OK: alarm.ok_actions,
        ALARM: alarm.alarm_actions,
        INSUFFICIENT_DATA: alarm.insufficient_data_actions,
    }[state]
    return Transition(alarm.name, old, state, reason, tuple(actions) if alarm.actions_enabled else ())


def set_state(alarm: Any, state: str, reason: str, data: str, now: float) -> None:
    """Set the state of moto's ``alarm`` in product time; moto itself would use the machine's time."""
    alarm.update_state(reason, data, state)
    stamp(alarm, now)


def stamp(alarm: Any, now: float) -> None:
    """Set the time at which moto's ``alarm`` came into its state to ``now`` (product epoch seconds)."""
    alarm.state_updated_timestamp = alarm.state_transitioned_timestamp = naive(now)


def firing(alarms: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    """Return those of ``names`` whose alarm in ``alarms`` (moto's) is in ALARM."""
    return [name for name in names if name in alarms and alarms[name].state_value == ALARM]


def looks_back(alarms: Mapping[str, Any], names: Iterable[str]) -> float:
    """Return the seconds that the evaluation of those of ``names`` spans at most that are metric alarms."""
    watched = (alarms[name] for name in names if name in alarms and alarms[name].rule is None)
    found = [metric_alarm(alarm) for alarm in watched]
    return float(max((alarm.period * alarm.periods for alarm in found), default=0))


def naive(seconds: float) -> datetime:
    """Return epoch seconds as moto keeps times: a naive datetime in UTC."""
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)


def aware(at: datetime | None) -> datetime | None:
    """Return a time as moto keeps it, with its time zone."""
    return at.replace(tzinfo=at.tzinfo or UTC) if at is not None else None


def metric_alarm(alarm: Any) -> MetricAlarm:
    """Return one of moto's alarms as ``evaluate`` takes it."""
    queries = metric_queries(alarm)
    watched = next((query for query in queries if query.returned), queries[-1])
    own = alarm.period or max((query.period or 60 for query in queries), default=60)
    return MetricAlarm(
        queries=queries,
        watched=watched.id,
        period=int(own),
        comparison=alarm.comparison_operator,
        threshold=float(alarm.threshold),
        periods=int(alarm.evaluation_periods),
        to_alarm=int(alarm.datapoints_to_alarm or alarm.evaluation_periods),
        missing=alarm.treat_missing_data or "missing",
        state=alarm.state_value,
        reason=alarm.state_reason,
    )


def check(alarm: Any) -> None:
    """Raise ``InvalidExpression`` for one of moto's alarms that CloudWatch would refuse."""
    if alarm.rule is not None:
        rule_of(alarm.rule)
        return
    if bool(alarm.metric_name) == bool(alarm.metric_data_queries):
        raise InvalidExpression("an alarm needs either MetricName or Metrics")
    if alarm.comparison_operator not in _BREACHES:
        raise InvalidExpression(f"the ComparisonOperator is one of {', '.join(_BREACHES)}")
    if alarm.threshold is None or not alarm.evaluation_periods:
        raise InvalidExpression("an alarm needs Threshold and EvaluationPeriods")
    if (alarm.datapoints_to_alarm or 1) > alarm.evaluation_periods:
        raise InvalidExpression("DatapointsToAlarm must not be above EvaluationPeriods")
    if (alarm.treat_missing_data or "missing") not in _TREATMENTS:
        raise InvalidExpression(f"TreatMissingData is one of {', '.join(_TREATMENTS)}")
    if alarm.metric_name and (bool(alarm.statistic) == bool(alarm.extended_statistic) or not alarm.period):
        raise InvalidExpression("an alarm on a metric needs Period and either Statistic or ExtendedStatistic")
    _check_queries(metric_queries(alarm))
    if metric_alarm(alarm).period * alarm.evaluation_periods > SPAN_LIMIT:
        raise InvalidExpression("Period times EvaluationPeriods must not be above 7 days")


def _check_queries(queries: Sequence[Query]) -> None:
    check_queries(queries)
    metrics = sum(query.metric is not None for query in queries)
    if max(metrics, len(queries) - metrics) > MOST:
        raise InvalidExpression(f"an alarm has at most {MOST} metrics and {MOST} expressions")
    if sum(query.returned for query in queries) != 1:
        raise InvalidExpression("exactly one of Metrics must have ReturnData, the one that the alarm watches")


def metric_queries(alarm: Any) -> tuple[Query, ...]:
    """Return what moto's alarm watches, as queries: its own metric, or those of its Metrics."""
    if alarm.metric_name:
        return (_metric("m1", alarm, alarm, alarm.statistic or alarm.extended_statistic or "", returned=True),)
    return tuple(_data_query(query) for query in alarm.metric_data_queries)


def is_returned(query: Any) -> bool:
    """Return a query's ReturnData; moto keeps it as text where it came in a query request."""
    return query.return_data not in {False, "false"}


def _data_query(query: Any) -> Query:
    returned = is_returned(query)
    if query.metric_stat is not None:
        return _metric(query.id, query.metric_stat.metric, query.metric_stat, query.metric_stat.stat, returned=returned)
    period = int(query.period) if query.period else None
    return Query(query.id, query.label or query.id, returned, period, expression=query.expression)


def _metric(name: str, metric: Any, how: Any, stat: str, *, returned: bool) -> Query:
    dimensions = {dimension.name: dimension.value for dimension in metric.dimensions}
    key = metric_key(metric.namespace, metric.metric_name, dimensions)
    return Query(name, metric.metric_name, returned, int(how.period or 60), key, stat, how.unit)
