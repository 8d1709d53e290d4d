"""What a rule can be about: one row for each metric of a policy.

A row defines how the measure is taken from readings, what a minute without a point means, which CloudWatch alarm
watches it, and where the dashboard shows its thresholds. A rule on a metric without a row is refused when it is built.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

from contracts import limits
from contracts.policy_rules import RuleMetric
from contracts.results import ProbesOutput
from services.monitor.domain.groups import Ways, numbered
from services.monitor.domain.metrics import (
    ANSWERS,
    BALANCER_5XX,
    CPU,
    DATABASE_ERRORS,
    HEALTHY,
    LEAST_SHARE,
    MEMORY,
    REQUESTS,
    RESPONSE_TIME,
    RUNNING,
    TARGET_5XX,
    Metric,
    Readings,
    Series,
)


class Graph(StrEnum):
    """The graphs of the dashboard by their titles, in the dashboard's order."""

    SERVICE = "ECS Service Overview"
    LOAD_BALANCER = "Application Load Balancer"
    ERROR_RATE = "Error Rate (%)"
    RESPONSE_TIME = "Response Time (s)"
    RESOURCES = "Resource Utilization (%)"
    DATABASE = "Database"


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a threshold is drawn as a horizontal line."""

    graph: Graph
    label: str
    """``{severity}`` stands for the severity of the rule."""


@dataclass(frozen=True, slots=True)
class MetricAlarm:
    """CloudWatch watches one metric; of several target groups, that of the one which has the fewest."""

    balanced: Metric
    alone: Metric
    """The metric to watch where the service has no load balancer."""


@dataclass(frozen=True, slots=True)
class MathAlarm:
    """CloudWatch watches an expression over metrics of load balancers and target groups."""

    expression: Callable[[Ways], str]
    """Return metric math over the series of ``metrics``, by their ids (``Ways.ids``)."""
    metrics: tuple[Metric, ...]


@dataclass(frozen=True, slots=True)
class Requests:
    """How a measure of requests is taken over several minutes, and where users send too few."""

    over: Callable[[Readings, Iterable[float]], float] | None
    """Return its value over several minutes. None where the minutes' values cannot be combined."""
    with_probes: Callable[[Readings, Iterable[float], ProbesOutput], tuple[float | None, int]]
    """Return its value and its samples over several minutes, with the validator's own requests."""


@dataclass(frozen=True, slots=True)
class Measure:
    metric: RuleMetric
    unit: str
    """The unit as it is written behind a number."""
    series: Callable[[Readings], Series]
    alarm: MetricAlarm | MathAlarm
    mark: Mark | None
    """None: the dashboard has no graph on which the threshold would mean something."""
    aggregation: Literal["every", "sum"] = "every"
    """Whether a rule judges every minute by itself, or the sum over its window."""
    absence: Literal["proves nothing", "is an outage"] = "proves nothing"
    """What a minute without a point means."""
    requests: Requests | None = None
    """Set for a measure of requests, which is judged only with ``LEAST_REQUESTS``."""
    optional: bool = False
    """Whether the application publishes the metric itself, and need not do so."""


def error_rate(readings: Readings, minutes: Iterable[float]) -> float:
    """Return the error rate over ``minutes``, per cent. Raise ``ValueError`` where none of them has requests."""
    rate = limits.error_rate(*readings.counts(minutes))
    if rate is None:
        raise ValueError("an error rate needs requests")
    return rate


def _error_rate_with_probes(
    readings: Readings, minutes: Iterable[float], probes: ProbesOutput
) -> tuple[float | None, int]:
    requests, target_5xx, balancer_5xx = readings.counts(minutes)
    value = limits.error_rate(requests + probes.requests, target_5xx + probes.failures, balancer_5xx)
    return value, round(requests + balancer_5xx) + probes.requests


def _response_time_of_probes(
    readings: Readings,  # noqa: ARG001  percentiles cannot be combined, so users' own are left out
    minutes: Iterable[float],  # noqa: ARG001
    probes: ProbesOutput,
) -> tuple[float | None, int]:
    return probes.p95_seconds, probes.requests


OF_SHARED = (*ANSWERS, replace(HEALTHY, scope="shared group"))
"""The metrics that tell whose a load balancer's own errors are, where others use it as well."""


def fewest(ids: Sequence[str]) -> str:
    """Return metric math for the least of some series; MIN leaves out what has no point."""
    return ids[0] if len(ids) == 1 else f"MIN([{', '.join(ids)}])"


def _error_rate_expression(ways: Ways) -> str:
    """Return the errors of all ways together.

    ``came`` has no point for a minute without requests, or whose points are late: such a minute must not look like a
    good one, as it would where FILL made a 0 of it, and then the alarm would never see the bad minutes before it.
    """
    came = f"SUM([{', '.join((*ways.ids(REQUESTS), *ways.ids(BALANCER_5XX)))}])"
    if not ways.shared:
        failed = " + ".join(f"FILL({name}, 0)" for name in (*ways.ids(TARGET_5XX), *ways.ids(BALANCER_5XX)))
        return f"IF({came} >= {limits.LEAST_REQUESTS}, 100 * ({failed}) / {came}, 0)"
    failed, asked = shared_counts(ways)
    return f"IF({came} > 0, IF({asked} >= {limits.LEAST_REQUESTS}, 100 * ({failed}) / ({asked}), 0), 0)"


def shared_counts(ways: Ways) -> tuple[str, str]:
    """Return metric math for the requests that failed and for all of them, where others use a load balancer as well.

    It says for each minute what ``contracts.own_errors`` says, but for what is usually unanswered and for answers that
    come late: an alarm has no metric left for that, and people look at what it says.
    """
    alone = [numbered(BALANCER_5XX, number).id for number, group in ways.balancers if not group.shared]
    failed = [f"FILL({name}, 0)" for name in (*ways.ids(TARGET_5XX), *alone)]
    asked = [f"FILL({name}, 0)" for name in (*ways.ids(REQUESTS), *alone)]
    owner = {group.load_balancer: number for number, group in ways.balancers}
    for number, group in ways.shared:
        errors = f"FILL({numbered(BALANCER_5XX, owner[group.load_balancer]).id}, 0)"
        without_target = f"FILL({numbered(HEALTHY, number).id}, 1) < 1"
        answers = " - ".join(f"FILL({numbered(metric, number).id}, 0)" for metric in (*ANSWERS, TARGET_5XX))
        unanswered = f"FILL({numbered(REQUESTS, number).id}, 0) - {answers}"
        failed.append(f"IF({without_target}, {errors}, IF({unanswered} > 0, MIN([{unanswered}, {errors}]), 0))")
        asked.append(f"IF({without_target}, {errors}, 0)")
    return " + ".join(failed), " + ".join(asked)


def _response_time_expression(ways: Ways) -> str:
    """Return the time of the slowest target group, among those with enough requests and a share that counts."""
    pairs = list(zip(ways.ids(REQUESTS), ways.ids(RESPONSE_TIME), strict=True))
    if len(pairs) == 1:
        asked, seconds = pairs[0]
        return f"IF({asked} >= {limits.LEAST_REQUESTS}, {seconds}, 0)"
    least = f"{LEAST_SHARE:g} * SUM([{', '.join(ways.ids(REQUESTS))}])"
    of_groups = (
        f"IF({asked} >= {limits.LEAST_REQUESTS} AND {asked} >= {least}, {seconds}, 0)" for asked, seconds in pairs
    )
    return f"MAX([{', '.join(of_groups)}])"


_ROWS = (
    Measure(
        RuleMetric.HEALTHY_TASKS,
        unit="",
        series=lambda readings: readings.healthy,
        alarm=MetricAlarm(HEALTHY, RUNNING),
        mark=None,
        absence="is an outage",
    ),
    Measure(
        RuleMetric.ERROR_RATE,
        unit="%",
        series=lambda readings: readings.error_rate,
        alarm=MathAlarm(_error_rate_expression, (REQUESTS, TARGET_5XX, BALANCER_5XX, *OF_SHARED)),
        mark=Mark(Graph.ERROR_RATE, "{severity}"),
        requests=Requests(over=error_rate, with_probes=_error_rate_with_probes),
    ),
    Measure(
        RuleMetric.RESPONSE_TIME,
        unit=" s",
        series=lambda readings: readings.of(RESPONSE_TIME),
        alarm=MathAlarm(_response_time_expression, (REQUESTS, RESPONSE_TIME)),
        mark=Mark(Graph.RESPONSE_TIME, "{severity} (p95)"),
        requests=Requests(over=None, with_probes=_response_time_of_probes),
    ),
    Measure(
        RuleMetric.DATABASE_ERRORS,
        unit="",
        series=lambda readings: readings.of(DATABASE_ERRORS),
        alarm=MetricAlarm(DATABASE_ERRORS, DATABASE_ERRORS),
        mark=None,  # the threshold is a sum over the rule's window, the graph's points have a period of their own
        aggregation="sum",
        optional=True,
    ),
    Measure(
        RuleMetric.CPU,
        unit="%",
        series=lambda readings: readings.of(CPU),
        alarm=MetricAlarm(CPU, CPU),
        mark=Mark(Graph.RESOURCES, "CPU {severity}"),
    ),
    Measure(
        RuleMetric.MEMORY,
        unit="%",
        series=lambda readings: readings.of(MEMORY),
        alarm=MetricAlarm(MEMORY, MEMORY),
        mark=Mark(Graph.RESOURCES, "memory {severity}"),
    ),
)

MEASURES: Mapping[RuleMetric, Measure] = {row.metric: row for row in _ROWS}
"""The catalogue, by the names that a policy uses."""
