"""A rule as an alarm of CloudWatch's own, which goes on telling people while Surefoot is down."""

from typing import Any

from contracts.gates import Comparison
from services.monitor.adapters.queries import dimensions_of, namespace, query
from services.monitor.domain.metrics import (
    BALANCER_5XX,
    CPU,
    DATABASE_ERRORS,
    HEALTHY,
    MEMORY,
    REQUESTS,
    RESPONSE_TIME,
    RUNNING,
    TARGET_5XX,
    Dimensions,
    Metric,
)
from services.monitor.domain.rules import LEAST_REQUESTS, Rule

_COMPARISONS: dict[Comparison, str] = {
    ">": "GreaterThanThreshold",
    ">=": "GreaterThanOrEqualToThreshold",
    "<": "LessThanThreshold",
    "<=": "LessThanOrEqualToThreshold",
}
_PLAIN = {"cpu": CPU, "memory": MEMORY, "database_connections": DATABASE_ERRORS}
_ALL = "(FILL(requests, 0) + FILL(elb_5xx, 0))"
_EXPRESSIONS: dict[str, tuple[str, tuple[Metric, ...]]] = {
    "error_rate": (
        f"IF({_ALL} >= {LEAST_REQUESTS}, 100 * (FILL(target_5xx, 0) + FILL(elb_5xx, 0)) / {_ALL}, 0)",
        (REQUESTS, TARGET_5XX, BALANCER_5XX),
    ),
    "response_time": (
        f"IF(requests >= {LEAST_REQUESTS}, response_time, 0)",
        (REQUESTS, RESPONSE_TIME),
    ),
}


def alarm_name(dimensions: Dimensions, rule: Rule) -> str:
    return f"{dimensions.own_name}-{rule.name}"


def definition(dimensions: Dimensions, rule: Rule, application: str, topic: str | None) -> dict[str, Any] | None:
    """Return the parameters of PutMetricAlarm; None for a rule about requests where nothing counts them.

    Few requests are no rate, as in our own rules, but minute by minute: an alarm has no sum over its window.
    """
    if rule.traffic and not dimensions.balanced:
        return None
    actions = [topic] if topic else []
    whole = rule.judged == "sum"
    periods = 1 if whole else rule.minutes
    alarm: dict[str, Any] = {
        "AlarmName": alarm_name(dimensions, rule),
        "AlarmDescription": f"Surefoot, {rule.severity}: {rule.name} {rule.comparison} {rule.threshold:g}{rule.unit} "
        f"for {rule.minutes} min on {dimensions.cluster}/{dimensions.service}",
        "ActionsEnabled": True,
        "AlarmActions": actions,
        "OKActions": actions,
        "ComparisonOperator": _COMPARISONS[rule.comparison],
        "Threshold": rule.threshold,
        "EvaluationPeriods": periods,
        "DatapointsToAlarm": periods,
        "TreatMissingData": _missing(rule),
    }
    if rule.traffic:
        return alarm | {"Metrics": _math(rule, dimensions, application)}
    metric = _PLAIN.get(rule.name, HEALTHY if dimensions.balanced else RUNNING)
    return alarm | {
        "Namespace": namespace(metric, application),
        "MetricName": metric.name,
        "Dimensions": dimensions_of(metric, dimensions),
        "Statistic": metric.stat,
        "Period": 60 * rule.minutes if whole else 60,
    }


def _missing(rule: Rule) -> str:
    """Nothing from a service that should have tasks is an outage; no requests and no errors are none."""
    if rule.absence == "is an outage":
        return "breaching"
    return "notBreaching" if rule.traffic or rule.judged == "sum" else "missing"


def _math(rule: Rule, dimensions: Dimensions, application: str) -> list[dict[str, Any]]:
    expression, metrics = _EXPRESSIONS[rule.name.removesuffix("_warning")]
    watched = {"Id": "watched", "Expression": expression, "Label": rule.name, "ReturnData": True, "Period": 60}
    return [watched, *(query(metric, dimensions, application, 60, returned=False) for metric in metrics)]
