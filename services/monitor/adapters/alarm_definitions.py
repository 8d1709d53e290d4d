"""A rule as an alarm in CloudWatch, which notifies people also while Surefoot is down."""

from math import ceil
from typing import Any

from contracts.cloudwatch_names import alarm_prefix, former_name, further
from contracts.gates import Comparison
from services.monitor.adapters.queries import dimensions_of, namespace, query
from services.monitor.domain.groups import Ways, divided, series_of, ways_of
from services.monitor.domain.measures import MathAlarm, Measure, MetricAlarm, fewest
from services.monitor.domain.metrics import HEALTHY, Metric
from services.monitor.domain.rules import Rule
from services.monitor.domain.watched_service import WatchedService

_COMPARISONS: dict[Comparison, str] = {
    ">": "GreaterThanThreshold",
    ">=": "GreaterThanOrEqualToThreshold",
    "<": "LessThanThreshold",
    "<=": "LessThanOrEqualToThreshold",
}
_DESCRIPTION = "Surefoot, "
"""The beginning of our alarms' descriptions."""
MOST_METRICS = 10
"""The most metrics of one alarm (CloudWatch API Reference, MetricDataQuery: as many as 10 with a MetricStat)."""


def alarm_name(service: WatchedService, rule: Rule) -> str:
    return f"{alarm_prefix(service.cluster, service.service)}{rule.name}"


def prefixes(service: WatchedService) -> tuple[str, str]:
    """Return how the names of this service's alarms begin: those of this version, and those of the previous one."""
    names = service.cluster, service.service
    return alarm_prefix(*names), f"{former_name(*names)}-"


def is_of(service: WatchedService, name: str, description: str) -> bool:
    """Whether Surefoot has created an alarm, whose name begins with one of ``prefixes``, for exactly this service.

    A name of the previous version does not show it, since its alarms of ``prod-eu``/``api`` and ``prod``/``eu-api`` had
    the same names; the description does. A rule's name has no ``-``: where one is left, the alarm is that of a service
    with a longer name.
    """
    rest = next((name.removeprefix(prefix) for prefix in prefixes(service) if name.startswith(prefix)), "-")
    return "-" not in rest and description.startswith(_DESCRIPTION) and description.endswith(_suffix(service))


def _suffix(service: WatchedService) -> str:
    """Return the end of the descriptions of this service's alarms."""
    return f" on {service.cluster}/{service.service}"


def definitions(
    service: WatchedService, rule: Rule, metrics_namespace: str, topic: str | None
) -> tuple[dict[str, Any], ...]:
    """Return the parameters of PutMetricAlarm; none for a rule about requests where nothing counts them.

    One alarm watches all target groups of the service together. Where these have more metrics than an alarm takes,
    there are several, and each watches as many target groups as fit.

    As in our own rules, a few requests are too few for a rate; but here each minute needs enough of them, since an
    alarm cannot add up its window. Where the deployment configuration lets all tasks stop before others start, an
    outage has to last longer than a start, and errors count only in minutes with a healthy task.
    """
    measure = rule.measure
    if measure.requests and not service.balanced:
        return ()
    alarm = _alarm(service, rule, topic)
    match measure.alarm:
        case MathAlarm() as math:
            math = _while_healthy(math) if _start_minutes(service) else math
        case MetricAlarm(metric, alone):
            metric = metric if service.balanced else alone
            if metric.scope != "group" or len(service.groups) == 1:
                return (alarm | _of_metric(metric, service, rule, metrics_namespace),)
            math = MathAlarm(lambda ways: fewest(ways.ids(metric)), (metric,))
    parts = divided(ways_of(service), math.metrics, MOST_METRICS)
    return tuple(
        alarm
        | _of_part(service, rule, ways, part)
        | {"Metrics": _queries(math, rule, service, ways, metrics_namespace)}
        for part, ways in enumerate(parts, 1)
    )


def _alarm(service: WatchedService, rule: Rule, topic: str | None) -> dict[str, Any]:
    """Return the parameters that do not depend on what is watched."""
    actions = [topic] if topic else []
    return {
        "AlarmName": alarm_name(service, rule),
        "AlarmDescription": f"{_described(service, rule)}{_suffix(service)}",
        "ActionsEnabled": True,
        "AlarmActions": actions,
        "OKActions": actions,
        "ComparisonOperator": _COMPARISONS[rule.comparison],
        "Threshold": rule.threshold,
        "EvaluationPeriods": _periods(service, rule),
        "DatapointsToAlarm": _periods(service, rule),
        "TreatMissingData": _missing(rule.measure),
    }


def _described(service: WatchedService, rule: Rule) -> str:
    minutes = rule.minutes if rule.measure.aggregation == "sum" else _periods(service, rule)
    broken = f"{rule.name} {rule.comparison} {rule.threshold:g}{rule.unit}"
    own = any(group.shared for group in service.groups) and rule.is_share
    errors = ", the load balancer's own errors as far as they are the service's" if own else ""
    return f"{_DESCRIPTION}{rule.severity}: {broken} for {minutes} min{errors}"


def _periods(service: WatchedService, rule: Rule) -> int:
    if rule.measure.aggregation == "sum":
        return 1
    return rule.minutes + (_start_minutes(service) if rule.measure.absence == "is an outage" else 0)


def _of_part(service: WatchedService, rule: Rule, ways: Ways, part: int) -> dict[str, str]:
    """Return name and description of one of a rule's alarms, where it matters which target groups it watches."""
    if len(service.groups) == 1:
        return {}
    return {
        "AlarmName": further(alarm_name(service, rule), part),
        "AlarmDescription": f"{_described(service, rule)} behind {ways.names}{_suffix(service)}",
    }


def _missing(measure: Measure) -> str:
    """Return how the alarm treats a minute without a point: as an outage, as no error or request, or as unknown."""
    if measure.absence == "is an outage":
        return "breaching"
    return "notBreaching" if measure.requests or measure.aggregation == "sum" else "missing"


def _start_minutes(service: WatchedService) -> int:
    """Return how many minutes a start may take where all tasks may stop before others start; 0 elsewhere."""
    rollout = service.rollout
    return ceil(rollout.start_seconds / 60) if rollout is not None and rollout.least == 0 and service.wanted else 0


def _while_healthy(math: MathAlarm) -> MathAlarm:
    """Return the same for minutes in which each target group has a healthy task, and 0 for others."""

    def expression(ways: Ways) -> str:
        return f"IF({fewest(ways.ids(HEALTHY))} >= 1, {math.expression(ways)}, 0)"

    return MathAlarm(expression, (*math.metrics, HEALTHY))


def _of_metric(metric: Metric, service: WatchedService, rule: Rule, metrics_namespace: str) -> dict[str, Any]:
    return {
        "Namespace": namespace(metric, metrics_namespace),
        "MetricName": metric.name,
        "Dimensions": dimensions_of(metric, service),
        "Statistic": metric.stat,
        "Period": 60 * rule.minutes if rule.measure.aggregation == "sum" else 60,
    }


def _queries(
    math: MathAlarm, rule: Rule, service: WatchedService, ways: Ways, metrics_namespace: str
) -> list[dict[str, Any]]:
    expression = math.expression(ways)
    watched = {"Id": "watched", "Expression": expression, "Label": rule.name, "ReturnData": True, "Period": 60}
    every = {placed[0].id: placed for metric in math.metrics for placed in series_of(metric, service, ways)}
    return [watched, *(query(metric, there, metrics_namespace, 60, returned=False) for metric, there in every.values())]
