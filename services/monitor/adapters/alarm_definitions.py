"""A rule as an alarm of CloudWatch's own, which goes on telling people while Surefoot is down."""

from typing import Any

from contracts.gates import Comparison
from services.monitor.adapters.queries import dimensions_of, namespace, query
from services.monitor.domain.measures import MathAlarm, Measure, MetricAlarm
from services.monitor.domain.metrics import WatchedService
from services.monitor.domain.rules import Rule

_COMPARISONS: dict[Comparison, str] = {
    ">": "GreaterThanThreshold",
    ">=": "GreaterThanOrEqualToThreshold",
    "<": "LessThanThreshold",
    "<=": "LessThanOrEqualToThreshold",
}


_DESCRIPTION = "Surefoot, "


def alarm_name(service: WatchedService, rule: Rule) -> str:
    return f"{service.own_name}-{rule.name}"


def is_of(service: WatchedService, name: str, description: str) -> bool:
    """Whether an alarm is one that Surefoot has created for this very service.

    Its description says so: ``prod-eu``/``api`` and ``prod``/``eu-api`` have the same names of alarms. The name of a
    rule has no ``-``; with one, it is an alarm of a service whose name is longer than this one's.
    """
    rest = name.removeprefix(f"{service.own_name}-")
    return "-" not in rest and description.startswith(_DESCRIPTION) and description.endswith(_of(service))


def _of(service: WatchedService) -> str:
    return f" on {service.cluster}/{service.service}"


def definition(service: WatchedService, rule: Rule, metrics_namespace: str, topic: str | None) -> dict[str, Any] | None:
    """Return the parameters of PutMetricAlarm; None for a rule about requests where nothing counts them.

    Few requests are no rate, as in our own rules, but minute by minute: an alarm has no sum over its window.
    """
    measure = rule.measure
    if measure.requests and not service.balanced:
        return None
    actions = [topic] if topic else []
    whole = measure.aggregation == "sum"
    periods = 1 if whole else rule.minutes
    alarm: dict[str, Any] = {
        "AlarmName": alarm_name(service, rule),
        "AlarmDescription": f"{_DESCRIPTION}{rule.severity}: {rule.name} {rule.comparison} {rule.threshold:g}"
        f"{rule.unit} for {rule.minutes} min{_of(service)}",
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
    """Nothing from a service that should have tasks is an outage; no requests and no errors are none."""
    if measure.absence == "is an outage":
        return "breaching"
    return "notBreaching" if measure.requests or measure.aggregation == "sum" else "missing"


def _math(math: MathAlarm, label: str, service: WatchedService, metrics_namespace: str) -> list[dict[str, Any]]:
    watched = {"Id": "watched", "Expression": math.expression, "Label": label, "ReturnData": True, "Period": 60}
    return [watched, *(query(metric, service, metrics_namespace, 60, returned=False) for metric in math.metrics)]
