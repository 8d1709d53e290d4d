"""Utilisation of a service's busiest task, from CloudWatch."""

from dataclasses import dataclass
from typing import Any

from contracts.base import Target
from services._chassis.aws import Aws
from services._chassis.clock import moment
from services.optimizer.adapters.failures import asking
from services.optimizer.domain.size import Usage
from services.optimizer.ports import Unavailable

_NAMES = {"cpu": "CPUUtilization", "memory": "MemoryUtilization"}


@dataclass(frozen=True, slots=True)
class CloudWatchMetrics:
    aws: Aws

    async def usage(self, target: Target, start: float, end: float, period: int) -> Usage:
        with asking("CloudWatch", "GetMetricData"):
            results = await self.aws.pages(
                "cloudwatch",
                "get_metric_data",
                "MetricDataResults",
                MetricDataQueries=[_query(id_, name, target, period) for id_, name in _NAMES.items()],
                StartTime=moment(start),
                EndTime=moment(end),
                ScanBy="TimestampAscending",
            )
        series: dict[str, dict[float, float]] = {id_: {} for id_ in _NAMES}
        for result in results:
            if result.get("StatusCode") not in {None, "Complete", "PartialData"}:
                raise Unavailable(f"CloudWatch has no answer for {result['Id']}: {result['StatusCode']}")
            for time, value in zip(result["Timestamps"], result["Values"], strict=True):
                series[result["Id"]][time.timestamp()] = value
        return Usage(series["cpu"], series["memory"], period)


def _query(id_: str, name: str, target: Target, period: int) -> dict[str, Any]:
    """Maximum: each task sends a sample a minute, and the busiest has to fit as well."""
    dimensions = {"ClusterName": target.cluster, "ServiceName": target.service}
    metric = {
        "Namespace": "AWS/ECS",
        "MetricName": name,
        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
    }
    return {"Id": id_, "MetricStat": {"Metric": metric, "Period": period, "Stat": "Maximum"}}
