"""A rule as an alarm in CloudWatch, which notifies people also while Surefoot is down."""

from math import ceil
from typing import Any

from contracts.gates import Comparison
from services.monitor.adapters.queries import dimensions_of, namespace, query
from services.monitor.domain.measures import MathAlarm, Measure, MetricAlarm
from services.monitor.domain.metrics import HEALTHY, WatchedService
from services.monitor.domain.names import alarm_prefix, former_name
from services.monitor.domain.rules import Rule

_COMPARISONS: dict[Comparison, str] = {
    ">": "GreaterThanThreshold",
    ">=": "GreaterThanOrEqualToThreshold",
    "<": "LessThanThreshold",
    "<=": "LessThanOrEqualToThreshold",
}
_DESCRIPTION = "Surefoot, "
"""The beginning of our alarms' descriptions."""


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


def definition(service: WatchedService, rule: Rule, metrics_namespace: str, topic: str | None) -> dict[str, Any] | None:
    """Return the parameters of PutMetricAlarm; None for a rule about requests where nothing counts them.

    As in our own rules, a few requests are too few for a rate; but here each minute needs enough of them, since an
    alarm cannot add up its window. Where the deployment configuration lets all tasks stop before others start, an
    outage has to last longer than a start, and errors count only in minutes with a healthy task.
    """
    measure = rule.measure
    if measure.requests and not service.balanced:
        return None
    actions = [topic] if topic else []
    whole = measure.aggregation == "sum"
    periods = 1 if whole else rule.minutes + (_start_minutes(service) if measure.absence == "is an outage" else 0)
    alarm: dict[str, Any] = {
        "AlarmName": alarm_name(service, rule),
        "AlarmDescription": f"{_DESCRIPTION}{rule.severity}: {rule.name} {rule.comparison} {rule.threshold:g}"
        f"{rule.unit} for {rule.minutes if whole else periods} min{_suffix(service)}",
        "ActionsEnabled": True,
        "AlarmActions": actions,
        "OKActions": actions,
        "ComparisonOperator": _COMPARISONS[rule.comparison],
        "Threshold": rule.threshold,
        "EvaluationPeriods": periods,
        "DatapointsToAlarm": periods,
        "TreatMissingData": _missing(measure),
    }
    match measure.alarm:
        case MathAlarm() as math:
            return alarm | {"Metrics": _math(math, rule.name, service, metrics_namespace)}
        case MetricAlarm(balanced, alone):
            metric = balanced if service.balanced else alone
            return alarm | {
                "Namespace": namespace(metric, metrics_namespace),
                "MetricName": metric.name,
                "Dimensions": dimensions_of(metric, service),
                "Statistic": metric.stat,
                "Period": 60 * rule.minutes if whole else 60,
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


def _math(math: MathAlarm, label: str, service: WatchedService, metrics_namespace: str) -> list[dict[str, Any]]:
    expression, metrics = math.expression, math.metrics
    if _start_minutes(service):
        expression, metrics = f"IF({HEALTHY.id} >= 1, {expression}, 0)", (*metrics, HEALTHY)
    watched = {"Id": "watched", "Expression": expression, "Label": label, "ReturnData": True, "Period": 60}
    return [watched, *(query(metric, service, metrics_namespace, 60, returned=False) for metric in metrics)]
