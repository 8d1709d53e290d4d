"""Metrics from CloudWatch: one GetMetricData for everything about a target."""

from dataclasses import dataclass, replace

from contracts.base import Target
from services._aws.cloudwatch import read_series
from services._chassis.aws import Aws
from services.monitor.adapters.queries import in_cloudwatch
from services.monitor.domain.groups import of_every_group, together
from services.monitor.domain.metrics import DATABASE_ERRORS, Readings
from services.monitor.domain.sharing import own
from services.monitor.domain.watched_service import WatchedService

PUBLISHED_SECONDS = 3 * 3600.0


@dataclass(frozen=True, slots=True)
class CloudWatchMetrics:
    aws: Aws

    async def read(
        self, target: Target, service: WatchedService, namespace: str, start: float, end: float, period: int = 60
    ) -> Readings:
        metrics = [in_cloudwatch(metric, at, namespace) for metric, at in of_every_group(service)]
        series = await read_series(self.aws, target, metrics, start, end, period)
        counted = own(service, series)
        return Readings(service, together(service, counted) if service.others else counted)

    async def database_published(self, target: Target, service: WatchedService, namespace: str, now: float) -> bool:
        counted = in_cloudwatch(replace(DATABASE_ERRORS, stat="SampleCount"), service, namespace)
        found = await read_series(self.aws, target, [counted], now - PUBLISHED_SECONDS, now, 3600)
        return any(found.values())
