"""The existing alarms of a target: are they armed and quiet?"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

from contracts.gates import Gate
from services.monitor.domain.service_alarms import NONE, ServiceAlarms
from services.monitor.domain.watched_service import CountedGroup

QUIET = "existing_alarms_quiet"
"""The gate of alarms that stood over the target before anything was changed."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm in CloudWatch."""

    name: str
    firing: bool
    armed: bool
    """Whether its actions are enabled."""
    scales: bool = False
    """Whether its only actions are scaling policies. Target tracking's low alarm fires whenever the load is low."""
    dimensions: frozenset[tuple[str, str]] = frozenset()
    """(name, value) of every metric that it looks at."""


@dataclass(frozen=True, slots=True)
class AlarmScope:
    """What decides whether an alarm concerns a target."""

    cluster: str
    service: str
    groups: tuple[CountedGroup, ...] = ()
    """The target groups through which users reach it."""
    named: frozenset[str] = frozenset()
    """Alarms that the service's deployment configuration names, or the policy."""

    def with_named(self, names: frozenset[str]) -> Self:
        return replace(self, named=self.named | names)

    def firing(self, alarms: Iterable[Alarm]) -> frozenset[str]:
        """Return the names of those of ``alarms`` that fire and concern the target."""
        return frozenset(alarm.name for alarm in alarms if alarm.firing and self.concerns(alarm) and not alarm.scales)

    def concerns(self, alarm: Alarm) -> bool:
        """Whether an alarm is about this service, one of its target groups, or the whole of a load balancer of its own.

        That of a load balancer which others use as well may fire for them.
        """
        if alarm.name in self.named:
            return True
        own = {("ClusterName", self.cluster), ("ServiceName", self.service)} <= alarm.dimensions
        groups = {value for name, value in alarm.dimensions if name == "TargetGroup"}
        balancers = {value for name, value in alarm.dimensions if name == "LoadBalancer"}
        about_group = not groups.isdisjoint(group.target_group for group in self.groups)
        about_balancer = not groups and not balancers.isdisjoint(self._own_balancers)
        return own or about_group or about_balancer

    @property
    def _own_balancers(self) -> frozenset[str]:
        return frozenset(group.load_balancer for group in self.groups if not group.shared)


def unread_gate(why: str) -> Gate:
    """Return the gate of alarms that nobody may read: that stops no deployment."""
    return Gate.does_not_apply(QUIET, f"the alarms could not be read: {why}")


def quiet_gate(alarms: Iterable[Alarm], scope: AlarmScope, states: ServiceAlarms = NONE) -> Gate:
    """Judge that none of the target's alarms fires, and that all are armed; a target without alarms passes.

    ``states`` says of those that fire what mutes them, or why they cannot be evaluated: such are said, and count not.
    """
    ours = [alarm for alarm in alarms if scope.concerns(alarm) and not alarm.scales]
    silent = {alarm.name: why for alarm in states.known if (why := alarm.silence)}
    firing = sorted(alarm.name for alarm in ours if alarm.firing and alarm.name not in silent)
    # ECS reads the state of the alarms that it was given, whether their actions are enabled or not
    disarmed = sorted(
        alarm.name for alarm in ours if not alarm.armed and not alarm.firing and alarm.name not in scope.named
    )
    parts = [f"firing: {', '.join(firing)}"] if firing else []
    parts += [f"actions disabled: {', '.join(disarmed)}"] if disarmed else []
    parts += [f"{name} {why}" for name, why in sorted(silent.items())]
    parts += [why for alarm in states.known for why in alarm.unread]
    parts += [f"what mutes them is not known: {states.unread}"] if states.unread else []
    if not ours:
        parts = ["no alarm stands over this service yet; the monitoring set-up creates them"]
    detail = "; ".join(parts) or f"{len(ours)} armed and quiet"
    return Gate.measured(QUIET, len(firing) + len(disarmed), "==", 0, samples=len(ours), minimum=0, detail=detail)
