"""An application's RDS instance."""

from dataclasses import dataclass

from contracts.base import Target
from services._aws.cloudwatch import Metric, read_series
from services._aws.errors import reading
from services._chassis.aws import Aws
from services.monitor.domain.database import Database
from services.monitor.domain.metrics import MINUTE

LOOK_BACK = 5 * MINUTE


@dataclass(frozen=True, slots=True)
class RdsDatabases:
    aws: Aws

    async def look(self, target: Target, instance: str, now: float) -> Database:
        with reading("RDS", "DescribeDBInstances"):
            described = await self.aws.at(target).call("rds", "describe_db_instances", DBInstanceIdentifier=instance)
        cpu = Metric("cpu", "AWS/RDS", "CPUUtilization", "Average", {"DBInstanceIdentifier": instance})
        series = await read_series(self.aws, target, [cpu], now - LOOK_BACK, now)
        return Database(
            instance=instance,
            status=str(described["DBInstances"][0]["DBInstanceStatus"]),
            cpu=series["cpu"],
        )
