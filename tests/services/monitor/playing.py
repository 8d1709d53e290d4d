"""Plays the alarms of a rule in a simulated CloudWatch whose points come as late as usual."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sandbox.aws.cloudwatch.alarms import ALARM, INSUFFICIENT_DATA, OK, MetricAlarm, evaluate
from sandbox.aws.cloudwatch.metric_queries import Query
from sandbox.aws.cloudwatch.metric_store import MetricStore, metric_key, samples
from services.monitor.adapters.alarm_definitions import definitions
from services.monitor.adapters.queries import in_cloudwatch
from services.monitor.domain.groups import of_every_group
from services.monitor.domain.metrics import MINUTE, RUNNING
from services.monitor.domain.watched_service import WatchedService
from tests.services.monitor.harness import BALANCED, BY_NAME, GOOD_MINUTE, START

NAMESPACE = "CourtCase/Production"
LATE = 1
"""So many minutes after its end a minute's points are there."""
Minute = Mapping[str, float]
"""Id of a metric, as ``of_every_group`` names it → its value; a metric that a minute lacks has no point."""


def alarms_of(rule: str, of: WatchedService) -> list[MetricAlarm]:
    return [_alarm(made) for made in definitions(of, BY_NAME[rule], NAMESPACE, None)]


def _alarm(made: Mapping[str, Any]) -> MetricAlarm:
    queries = [_query(query) for query in made.get("Metrics") or ()]
    if not queries:
        key = metric_key(made["Namespace"], made["MetricName"], _dimensions(made))
        queries = [Query("m1", "m1", returned=True, period=made["Period"], metric=key, stat=made["Statistic"])]
    return MetricAlarm(
        tuple(queries),
        next(query.id for query in queries if query.returned),
        made.get("Period", 60),
        comparison=made["ComparisonOperator"],
        threshold=made["Threshold"],
        periods=made["EvaluationPeriods"],
        to_alarm=made["DatapointsToAlarm"],
        missing=made["TreatMissingData"],
    )


def _query(query: Mapping[str, Any]) -> Query:
    if "Expression" in query:
        return Query(query["Id"], query["Id"], query["ReturnData"], query["Period"], expression=query["Expression"])
    stat = query["MetricStat"]
    key = metric_key(stat["Metric"]["Namespace"], stat["Metric"]["MetricName"], _dimensions(stat["Metric"]))
    return Query(query["Id"], query["Id"], query["ReturnData"], stat["Period"], metric=key, stat=stat["Stat"])


def _dimensions(named: Mapping[str, Any]) -> dict[str, str]:
    return {dimension["Name"]: dimension["Value"] for dimension in named["Dimensions"]}


def play(rule: str, minutes: Sequence[Minute], of: WatchedService = BALANCED, late: int = LATE) -> list[str]:
    """Return the state of the rule's alarms after each of ``minutes``: where it has several, the worst of them."""
    alarms = alarms_of(rule, of)
    store, states = MetricStore(), []
    for index in range(len(minutes)):
        if index >= late:
            put(store, of, START + (index - late) * MINUTE, minutes[index - late])
        for place, alarm in enumerate(alarms):
            state, reason = evaluate(alarm, store, START + (index + 1) * MINUTE)
            alarms[place] = replace(alarm, state=state, reason=reason)
        found = {alarm.state for alarm in alarms}
        states.append(next(state for state in (ALARM, OK, INSUFFICIENT_DATA) if state in found))
    return states


def put(store: MetricStore, of: WatchedService, at: float, minute: Minute) -> None:
    for metric, there in of_every_group(of):
        if metric.id in minute and metric != RUNNING:  # that is how often the CPU was measured
            named = in_cloudwatch(metric, there, NAMESPACE)
            count = max(1, int(minute.get("running", 1)))
            values = [minute[metric.id]] * (count if metric.id == "cpu" else 1)
            store.put(metric_key(named.namespace, named.name, dict(named.dimensions)), at, samples(values))


def but(**values: float | None) -> dict[str, float]:
    """Return a good minute in which something is different; None: it has no point."""
    return {name: value for name, value in {**GOOD_MINUTE, **values}.items() if value is not None}
