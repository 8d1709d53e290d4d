"""Reading CloudWatch: one way to name a metric, one query, one reading of its points."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.base import Target
from services._aws.errors import AwsError, reading, temporary_code
from services._chassis.aws import Aws
from services._chassis.clock import moment

Series = dict[float, float]
"""Start of a period (epoch seconds) → its value."""

_ANSWERED = frozenset({None, "Complete", "PartialData"})
"""Status codes of a complete answer. PartialData means that more pages follow; a point on none of them is missing."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One statistic of one metric, as CloudWatch names it."""

    id: str
    """The name of the series in the answer and in expressions."""
    namespace: str
    name: str
    stat: str
    """``Sum``, ``Average``, ``p95``, …"""
    dimensions: Mapping[str, str]


def dimensions_of(metric: Metric) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in metric.dimensions.items()]


def query(metric: Metric, period: int, *, returned: bool = True) -> dict[str, Any]:
    """Return an entry of ``MetricDataQueries``; ``period`` is in seconds."""
    return {
        "Id": metric.id,
        "MetricStat": {
            "Metric": {
                "Namespace": metric.namespace,
                "MetricName": metric.name,
                "Dimensions": dimensions_of(metric),
            },
            "Period": period,
            "Stat": metric.stat,
        },
        "ReturnData": returned,
    }


async def read_series(
    aws: Aws, target: Target, metrics: Sequence[Metric], start: float, end: float, period: int = 60
) -> dict[str, Series]:
    """Read all metrics over ``[start, end)`` (epoch seconds) in one GetMetricData; ``{id: series}``.

    A metric without a point has an empty series. Raise ``AwsError`` where CloudWatch has no answer for a metric.
    """
    with reading("CloudWatch", "GetMetricData"):
        results = await aws.at(target).pages(
            "cloudwatch",
            "get_metric_data",
            "MetricDataResults",
            MetricDataQueries=[query(metric, period) for metric in metrics],
            StartTime=moment(start),
            EndTime=moment(end),
            ScanBy="TimestampAscending",
        )
    series: dict[str, Series] = {metric.id: {} for metric in metrics}
    for result in results:
        status = result.get("StatusCode")
        if status not in _ANSWERED:
            raise AwsError(
                f"CloudWatch has no answer for {result['Id']}: {status}", code=status, temporary=temporary_code(status)
            )
        # a metric's points may be spread over several pages
        points = zip(result.get("Timestamps") or (), result.get("Values") or (), strict=False)
        series[result["Id"]] |= {time.timestamp(): float(value) for time, value in points}
    return series
