"""The conditions of a world: how many users come, whether the database is there, how late metrics are."""

from dataclasses import dataclass, field

from sandbox.aws.trail.events import LATE
from sandbox.scenarios.traffic import USUAL, Traffic

METRICS_LATE = 60.0
"""Seconds after which CloudWatch has a minute's metrics. AWS names no number; a load balancer sends once a minute."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """Users that come beyond the usual ones of a service."""

    times: float
    """How many times as many as usually come."""
    tasks: int
    """The tasks that were wanted when they began to come."""

    def work(self, tasks: int) -> float:
        """Return how many times the usual work each of so many running tasks does; at least 1."""
        return max(1.0, self.times * self.tasks / max(1, tasks))


@dataclass(slots=True)
class Conditions:
    """The conditions of one world; they may change at any time."""

    traffic: Traffic = USUAL
    traffic_of: dict[str, Traffic] = field(default_factory=dict)
    """``cluster/service`` → its users, where they are not as many as of others."""
    crowds: dict[str, Crowd] = field(default_factory=dict)
    """``cluster/service`` → its users, where more or fewer come than usually."""
    database: bool = True
    """Whether the database itself is there: a container may still fail to reach it."""
    metrics_late: float = 0.0
    """Seconds after which a minute's metrics are there."""
    events_lost: float = 0.0
    """Share of the events of EventBridge and alarms that are lost."""
    trail_late: float = LATE
    """Seconds after which CloudTrail shows an event."""
    demanded_headers: dict[str, str] = field(default_factory=dict)
    """Header, in lower case → the value without which the application answers 401."""
