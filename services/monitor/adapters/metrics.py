"""CloudWatch's numbers: one GetMetricData for everything about a target."""

from dataclasses import dataclass, replace
from typing import Any

from services._chassis.aws import Aws
from services._chassis.clock import moment
from services.monitor.adapters.failures import asking
from services.monitor.adapters.queries import query
from services.monitor.domain.metrics import DATABASE_ERRORS, Dimensions, Readings, metrics_of
from services.monitor.ports import Unavailable

PUBLISHED_SECONDS = 3 * 3600.0


@dataclass(frozen=True, slots=True)
class CloudWatchMetrics:
    aws: Aws
    application: str
    """The application's namespace."""

    async def read(self, dimensions: Dimensions, start: float, end: float, period: int = 60) -> Readings:
        queries = [query(metric, dimensions, self.application, period) for metric in metrics_of(dimensions)]
        return Readings(dimensions, await self._series(queries, start, end))

    async def database_published(self, dimensions: Dimensions, now: float) -> bool:
        counted = replace(DATABASE_ERRORS, stat="SampleCount")
        found = await self._series([query(counted, dimensions, self.application, 3600)], now - PUBLISHED_SECONDS, now)
        return any(found.values())

    async def _series(self, queries: list[dict[str, Any]], start: float, end: float) -> dict[str, dict[float, float]]:
        """Return ``{id: {epoch seconds: value}}``; a query's points may be spread over several pages."""
        with asking("CloudWatch", "GetMetricData"):
            results = await self.aws.pages(
                "cloudwatch",
                "get_metric_data",
                "MetricDataResults",
                MetricDataQueries=queries,
                StartTime=moment(start),
                EndTime=moment(end),
                ScanBy="TimestampAscending",
            )
        series: dict[str, dict[float, float]] = {}
        for result in results:
            if result.get("StatusCode") not in {None, "Complete", "PartialData"}:
                raise Unavailable(f"CloudWatch has no answer for {result['Id']}: {result['StatusCode']}")
            points = series.setdefault(result["Id"], {})
            for time, value in zip(result["Timestamps"], result["Values"], strict=True):
                points[time.timestamp()] = value
        return series
