"""The existing alarms of a target: are they armed and quiet?"""

from collections.abc import Iterable
from dataclasses import dataclass

from contracts.gates import Gate


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
    load_balancer: str | None = None
    target_group: str | None = None
    named: frozenset[str] = frozenset()
    """Alarms that the service's deployment configuration names."""

    def concerns(self, alarm: Alarm) -> bool:
        """Whether an alarm is about this service, its target group, or the whole of its load balancer."""
        if alarm.name in self.named:
            return True
        own = {("ClusterName", self.cluster), ("ServiceName", self.service)} <= alarm.dimensions
        groups = {value for name, value in alarm.dimensions if name == "TargetGroup"}
        balancers = {value for name, value in alarm.dimensions if name == "LoadBalancer"}
        about_group = self.target_group is not None and self.target_group in groups
        about_balancer = not groups and self.load_balancer is not None and self.load_balancer in balancers
        return own or about_group or about_balancer


def quiet_gate(alarms: Iterable[Alarm], scope: AlarmScope) -> Gate:
    """Judge that none of the target's alarms fires, and that all are armed; a target without alarms passes."""
    ours = [alarm for alarm in alarms if scope.concerns(alarm) and not alarm.scales]
    firing = sorted(alarm.name for alarm in ours if alarm.firing)
    # ECS reads the state of the alarms that it was given, whether their actions are enabled or not
    disarmed = sorted(
        alarm.name for alarm in ours if not alarm.armed and not alarm.firing and alarm.name not in scope.named
    )
    parts = [f"firing: {', '.join(firing)}"] if firing else []
    parts += [f"actions disabled: {', '.join(disarmed)}"] if disarmed else []
    if not ours:
        parts = ["no alarm stands over this service yet; the monitoring set-up creates them"]
    detail = "; ".join(parts) or f"{len(ours)} armed and quiet"
    return Gate.measured(
        "existing_alarms_quiet", len(firing) + len(disarmed), "==", 0, samples=len(ours), minimum=0, detail=detail
    )
