"""The application's RDS instance."""

from dataclasses import dataclass

from services._chassis.aws import Aws
from services._chassis.clock import moment
from services.monitor.adapters.failures import asking
from services.monitor.domain.database import Database
from services.monitor.domain.metrics import MINUTE

LOOK_BACK = 5 * MINUTE


@dataclass(frozen=True, slots=True)
class RdsDatabases:
    aws: Aws
    instance: str | None

    async def look(self, now: float) -> Database | None:
        if self.instance is None:
            return None
        with asking("RDS", "DescribeDBInstances"):
            described = await self.aws.call("rds", "describe_db_instances", DBInstanceIdentifier=self.instance)
        with asking("CloudWatch", "GetMetricStatistics"):
            read = await self.aws.call(
                "cloudwatch",
                "get_metric_statistics",
                Namespace="AWS/RDS",
                MetricName="CPUUtilization",
                Dimensions=[{"Name": "DBInstanceIdentifier", "Value": self.instance}],
                StartTime=moment(now - LOOK_BACK),
                EndTime=moment(now),
                Period=60,
                Statistics=["Average"],
            )
        return Database(
            instance=self.instance,
            status=str(described["DBInstances"][0]["DBInstanceStatus"]),
            cpu={point["Timestamp"].timestamp(): float(point["Average"]) for point in read["Datapoints"]},
        )
