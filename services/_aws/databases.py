"""RDS: is an application's database itself in trouble? Then what users notice is no verdict on a version."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from contracts.base import Target
from contracts.monitor import DependencyFault
from services._aws.cloudwatch import Metric, read_series
from services._aws.errors import AwsError, reading
from services._aws.optional_reads import OptionalReads
from services._chassis.aws import Aws

LOOK_BACK = 5 * 60.0
SERVES = frozenset(
    {
        "available",
        "backing-up",
        "configuring-enhanced-monitoring",
        "configuring-iam-database-auth",
        "configuring-log-exports",
        "modifying",
        "moving-to-vpc",
        "renaming",
        "storage-config-upgrade",
        "storage-initialization",
        "storage-optimization",
    }
)
"""States of an RDS instance in which it answers (Amazon RDS User Guide, "Viewing Amazon RDS DB instance status")."""
OVERLOADED = 95.0
"""Per cent of its processor from which on an instance is overloaded."""
POINTS = 2
"""The number of newest minutes that must all reach ``OVERLOADED``."""


@dataclass(frozen=True, slots=True)
class Database:
    """One RDS instance at one moment."""

    instance: str
    status: str
    """The state, in the words of RDS."""
    cpu: Mapping[float, float] = field(default_factory=dict)
    """The begin of a minute (epoch seconds) → per cent of the processor in use."""

    @property
    def fault(self) -> DependencyFault | None:
        """Return what is wrong with it; None where nothing is."""
        if self.status not in SERVES:
            return self._fault(f"is {self.status}")
        newest = [self.cpu[minute] for minute in sorted(self.cpu)[-POINTS:]]
        if len(newest) == POINTS and min(newest) >= OVERLOADED:
            return self._fault(f"is overloaded: its processor is at {newest[-1]:.0f}%")
        return None

    def _fault(self, what: str) -> DependencyFault:
        return DependencyFault(name=self.instance, detail=f"the database {self.instance} {what}")


@dataclass(frozen=True, slots=True)
class RdsDatabases:
    """The databases of a target's account and region. No decision waits for an answer of RDS that does not come."""

    aws: Aws
    reads: OptionalReads = field(default_factory=OptionalReads)

    async def look(self, target: Target, instance: str, now: float) -> Database:
        """Return what RDS reports about an instance. Raise ``AwsError``."""
        with reading("RDS", "DescribeDBInstances"):
            described = await self.aws.at(target).call("rds", "describe_db_instances", DBInstanceIdentifier=instance)
        cpu = Metric("cpu", "AWS/RDS", "CPUUtilization", "Average", {"DBInstanceIdentifier": instance})
        series = await read_series(self.aws, target, [cpu], now - LOOK_BACK, now)
        status = str(described["DBInstances"][0]["DBInstanceStatus"])
        return Database(instance, status, series["cpu"])

    async def fault(self, target: Target, instance: str, now: float) -> DependencyFault | None:
        """Return what is wrong with an instance at this moment; None where nothing is. Raise ``AwsError``."""
        found = await self.reads.read(f"DescribeDBInstances for {target}", lambda: self.look(target, instance, now))
        if isinstance(found, AwsError):
            raise found
        return found.fault
