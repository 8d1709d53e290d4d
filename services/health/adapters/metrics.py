"""The port ``Metrics`` on CloudWatch: six metrics at most, in one call."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import fmean, median

from contracts.base import Target
from services._aws.cloudwatch import Metric, Series, read_series
from services._aws.reach import Counted
from services._chassis.aws import Aws
from services.health.domain.observed import Measurements

MINUTES = 5
SETTLED_SECONDS = 60
"""The window ends a full minute ago. ALB metrics may need two minutes to be complete, but a score is about the
present, and it uses rates and percentiles only: a minute whose points are not all there yet lacks them in the
numerator and in the denominator alike."""


@dataclass(frozen=True, slots=True)
class CloudWatch:
    aws: Aws

    async def measure(self, target: Target, counted: Counted | None, now: float) -> Measurements:
        end = (now - SETTLED_SECONDS) // 60 * 60
        metrics = tuple(_metrics(target, counted))
        series = await read_series(self.aws, target, metrics, end - MINUTES * 60, end)
        return Measurements(
            minutes=MINUTES,
            cpu=_of(fmean, series.get("cpu")),
            memory=_of(fmean, series.get("memory")),
            p95_seconds=_of(median, series.get("p95")),
            requests=_sum(series.get("requests")),
            target_5xx=_sum(series.get("target_5xx")),
            balancer_5xx=_sum(series.get("balancer_5xx")),
        )


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
