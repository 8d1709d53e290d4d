"""What the monitor needs from outside. When AWS does not answer, the methods raise ``AwsError`` with a sentence."""

from collections.abc import Collection, Iterable, Mapping
from typing import Protocol

from contracts.base import Target
from contracts.monitor import DependencyFault
from contracts.policy import Monitoring
from services.monitor.domain.alarms import Alarm, AlarmScope
from services.monitor.domain.metrics import Readings, StoppedTask
from services.monitor.domain.rules import Rule
from services.monitor.domain.service_alarms import ServiceAlarms
from services.monitor.domain.watched_service import WatchedService


class NotFound(Exception):
    """There is no such service; its text is a sentence."""


class EcsServices(Protocol):
    """ECS and the load balancers. Each method raises ``NotFound`` or ``AwsError``."""

    async def watched(self, target: Target, known: WatchedService | None) -> WatchedService:
        """Ask ECS anew; the load balancers of ``known`` are not looked up again while the target groups are the same.

        Unless it does not say when they were (``WatchedService.without_routes``).
        """
        ...

    async def stopped(self, target: Target) -> tuple[StoppedTask, ...]:
        """Return the tasks that have stopped within the last hour or so, the oldest first."""
        ...

    async def alarms_of_deployments(self, target: Target) -> frozenset[str]:
        """Return the names of the alarms in the service's deployment configuration, if they are enabled."""
        ...

    async def alarm_scope(self, target: Target) -> AlarmScope:
        """Return what decides whether an alarm concerns the target."""
        ...


class Metrics(Protocol):
    """CloudWatch's numbers. Each method raises ``AwsError``."""

    async def read(
        self, target: Target, service: WatchedService, namespace: str, start: float, end: float, period: int = 60
    ) -> Readings:
        """Read every metric of a target over ``[start, end)``: product time, epoch seconds; period in seconds.

        ``namespace`` is that of the metrics which the application itself publishes.
        """
        ...

    async def database_published(self, target: Target, service: WatchedService, namespace: str, now: float) -> bool:
        """Return whether the application has published DatabaseConnectionErrors in the last three hours."""
        ...


class Databases(Protocol):
    """RDS."""

    async def fault(self, target: Target, instance: str, now: float) -> DependencyFault | None:
        """Return what is wrong with an instance in the target's account and region. Raise ``AwsError``."""
        ...


class Alarms(Protocol):
    """CloudWatch's alarms. Each method raises ``AwsError``."""

    async def all(self, target: Target, named: Collection[str]) -> tuple[Alarm, ...]:
        """Return every metric alarm of the target's account and region, and the composite alarms in ``named``."""
        ...

    async def named(self, target: Target, names: Collection[str]) -> ServiceAlarms:
        """Return the alarms of these names, of any type, with what mutes them and when they fired before.

        What else of an alarm could not be read is said with it.
        """
        ...

    async def put(self, target: Target, service: WatchedService, rule: Rule, monitoring: Monitoring) -> tuple[str, ...]:
        """Create or replace a rule's alarms, and return their names; none where the rule cannot be watched by one.

        There are several where the service has more target groups than one alarm takes.
        """
        ...

    async def ours(self, target: Target, service: WatchedService) -> Mapping[str, bool]:
        """Return the alarms that ``put`` has created for the target, also in the previous version and by other names.

        The result is name → whether its actions are enabled.
        """
        ...

    async def delete(self, target: Target, names: Collection[str]) -> None:
        """Delete alarms that exist."""
        ...


class Dashboards(Protocol):
    """CloudWatch's dashboards. Each method raises ``AwsError``."""

    async def put(self, target: Target, service: WatchedService, rules: Iterable[Rule], monitoring: Monitoring) -> str:
        """Create or replace a target's dashboard, with the thresholds of its rules; return its name.

        The dashboard of the previous version, by another name, is deleted after it.
        """
        ...

    async def body(self, target: Target) -> str | None:
        """Return the dashboard's source, None if there is none."""
        ...
