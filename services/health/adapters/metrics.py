"""The port ``Metrics`` on CloudWatch: six metrics, and four more behind a shared load balancer, in one call."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean, median

from contracts.base import Target
from contracts.own_errors import GroupCounts, OwnErrors
from services._aws.cloudwatch import Metric, Series, read_series
from services._aws.reach import Counted
from services._chassis.aws import Aws
from services.health.domain.observed import Measurements

MINUTES = 5
SETTLED_SECONDS = 60
"""The window ends a full minute ago. ALB metrics may need two minutes to be complete, but a score is about the
present, and it uses rates and percentiles only: a minute whose points are not all there yet lacks them in the
numerator and in the denominator alike."""


_ANSWERS = {f"target_{code}xx": f"HTTPCode_Target_{code}XX_Count" for code in (2, 3, 4)}
"""Id of a series → its metric: what targets answer besides errors, which tells whose the load balancer's are."""


@dataclass(frozen=True, slots=True)
class CloudWatch:
    aws: Aws

    async def measure(self, target: Target, counted: Counted | None, now: float) -> Measurements:
        end = (now - SETTLED_SECONDS) // 60 * 60
        metrics = tuple(_metrics(target, counted))
        series = await read_series(self.aws, target, metrics, end - MINUTES * 60, end)
        if counted is not None and counted.shared != "":
            series |= _own(series)
        return Measurements(
            minutes=MINUTES,
            cpu=_of(fmean, series.get("cpu")),
            memory=_of(fmean, series.get("memory")),
            p95_seconds=_of(median, series.get("p95")),
            requests=_sum(series.get("requests")),
            target_5xx=_sum(series.get("target_5xx")),
            balancer_5xx=_sum(series.get("balancer_5xx")),
        )


def _own(series: Mapping[str, Series]) -> dict[str, Series]:
    """Return what of a load balancer that others use as well is the service's: its requests and errors.

    Requests that the load balancer answered with an error are among its errors, and not among the others.
    """
    answers = tuple(series[name] for name in (*_ANSWERS, "target_5xx"))
    found = OwnErrors(series["balancer_5xx"], (GroupCounts(series["requests"], answers, series["healthy"]),))
    (unanswered,) = found.unanswered
    known = {at: asked for at, asked in series["requests"].items() if at not in found.undecided}
    return {
        "balancer_5xx": found.errors,
        "requests": {at: asked - unanswered.get(at, 0.0) for at, asked in known.items()},
        "target_5xx": {at: count for at, count in series["target_5xx"].items() if at not in found.undecided},
    }


def _of(statistic: Callable[[list[float]], float], series: Series | None) -> float | None:
    return float(statistic(list(series.values()))) if series else None


def _sum(series: Series | None) -> float:
    return sum((series or {}).values())


def _metrics(target: Target, counted: Counted | None) -> Iterator[Metric]:
    service = {"ClusterName": target.cluster, "ServiceName": target.service}
    yield Metric("cpu", "AWS/ECS", "CPUUtilization", "Average", service)
    yield Metric("memory", "AWS/ECS", "MemoryUtilization", "Average", service)
    if counted is None:
        return
    balancer = {"LoadBalancer": counted.load_balancer}
    both = {"TargetGroup": counted.target_group, **balancer}
    yield Metric("p95", "AWS/ApplicationELB", "TargetResponseTime", "p95", both)
    yield Metric("requests", "AWS/ApplicationELB", "RequestCount", "Sum", both)
    yield Metric("target_5xx", "AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", "Sum", both)
    # the load balancer's own errors have no target group
    yield Metric("balancer_5xx", "AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count", "Sum", balancer)
    if counted.shared == "":
        return
    yield Metric("healthy", "AWS/ApplicationELB", "HealthyHostCount", "Maximum", both)
    for name, metric in _ANSWERS.items():
        yield Metric(name, "AWS/ApplicationELB", metric, "Sum", both)
