"""Utilisation of a service's busiest task, from CloudWatch."""

from dataclasses import dataclass

from contracts.base import Target
from services._aws.cloudwatch import Metric, read_series
from services._chassis.aws import Aws
from services.optimizer.domain.size import Usage

_NAMES = {"cpu": "CPUUtilization", "memory": "MemoryUtilization"}


@dataclass(frozen=True, slots=True)
class CloudWatchMetrics:
    aws: Aws

    async def usage(self, target: Target, start: float, end: float, period: int) -> Usage:
        """Read the maximum of each period: every task sends a sample a minute, and the busiest has to fit as well."""
        service = {"ClusterName": target.cluster, "ServiceName": target.service}
        metrics = [Metric(id_, "AWS/ECS", name, "Maximum", service) for id_, name in _NAMES.items()]
        series = await read_series(self.aws, target, metrics, start, end, period)
        return Usage(series["cpu"], series["memory"], period)
