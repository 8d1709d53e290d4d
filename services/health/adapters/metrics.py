"""The port ``Metrics`` on CloudWatch's GetMetricData: at most six metrics in one call."""

from collections.abc import Iterable
from statistics import fmean, median
from typing import Any

from contracts.base import Target
from services._chassis.aws import Aws
from services._chassis.clock import moment
from services.health.adapters.asking import ask_pages
from services.health.domain.observed import Front, Measurements

MINUTES = 5
SETTLED_SECONDS = 60
"""The window ends a full minute ago. ALB metrics may need two minutes to be complete, but a score is about the
present, and it uses rates and percentiles only: a minute whose points are not all there yet lacks them in the
numerator and in the denominator alike."""


class CloudWatch:
    def __init__(self, aws: Aws) -> None:
        self._aws = aws

    async def measure(self, target: Target, front: Front | None, now: float) -> Measurements:
        end = (now - SETTLED_SECONDS) // 60 * 60
        results = await ask_pages(
            self._aws,
            "cloudwatch",
            "get_metric_data",
            "MetricDataResults",
            MetricDataQueries=list(_queries(target, front)),
            StartTime=moment(end - MINUTES * 60),
            EndTime=moment(end),
        )
        points: dict[str, list[float]] = {}
        for result in results:
            points.setdefault(result["Id"], []).extend(result.get("Values", []))
        return Measurements(
            minutes=MINUTES,
            cpu=_of(fmean, points.get("cpu")),
            memory=_of(fmean, points.get("memory")),
            p95_seconds=_of(median, points.get("p95")),
            requests=sum(points.get("requests", ())),
            target_5xx=sum(points.get("target_5xx", ())),
            balancer_5xx=sum(points.get("balancer_5xx", ())),
        )


def _of(statistic: Any, values: list[float] | None) -> float | None:
    return float(statistic(values)) if values else None


def _queries(target: Target, front: Front | None) -> Iterable[dict[str, Any]]:
    service = {"ClusterName": target.cluster, "ServiceName": target.service}
    yield _query("cpu", "AWS/ECS", "CPUUtilization", "Average", service)
    yield _query("memory", "AWS/ECS", "MemoryUtilization", "Average", service)
    if front is None or front.load_balancer is None:
        return
    balancer = {"LoadBalancer": front.load_balancer}
    both = {"TargetGroup": front.target_group, **balancer}
    yield _query("p95", "AWS/ApplicationELB", "TargetResponseTime", "p95", both)
    yield _query("requests", "AWS/ApplicationELB", "RequestCount", "Sum", both)
    yield _query("target_5xx", "AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", "Sum", both)
    # the load balancer's own errors have no target group
    yield _query("balancer_5xx", "AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count", "Sum", balancer)


def _query(id_: str, namespace: str, name: str, statistic: str, dimensions: dict[str, str]) -> dict[str, Any]:
    return {
        "Id": id_,
        "MetricStat": {
            "Metric": {
                "Namespace": namespace,
                "MetricName": name,
                "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
            },
            "Period": 60,
            "Stat": statistic,
        },
    }
