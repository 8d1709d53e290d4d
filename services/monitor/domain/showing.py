"""How alarms and dashboard are brought to what the policy in force says: step by step, since AWS may stop it."""

from typing import Self
from zlib import crc32

from pydantic import Field

from contracts.base import Contract, Target
from contracts.policy_parts import MonitoringPolicy
from services.monitor.domain.rules import Rule, rules_of
from services.monitor.domain.watched_service import CountedGroup

FIRST_PAUSE, LONGEST_PAUSE = 30.0, 900.0
"""Product seconds before the next try after AWS has stopped one; they double with each. CloudWatch takes few
PutMetricAlarm a second from an account, and a change of the policy's defaults changes all services at once."""
TURN_SECONDS = 60.0
"""Product seconds, on average, before the next try while another target is being written."""


class Showing(Contract):
    """What is being written to CloudWatch."""

    policy: MonitoringPolicy
    """The policy that is being written, without its digest."""
    groups: tuple[CountedGroup, ...] | None = None
    """The target groups that they show; None: nobody has looked yet."""
    dashboard: bool = False
    """Whether the dashboard is written already."""
    alarms: dict[str, tuple[str, ...] | str | None] = Field(default_factory=dict)
    """Rule → the names of its alarms that are written already; the previous version kept one name, None for none."""
    stopped: int = 0
    """Tries in a row that were stopped."""

    @property
    def left(self) -> tuple[Rule, ...]:
        """Return the rules whose alarms are not written yet."""
        return tuple(rule for rule in rules_of(self.policy.rules) if rule.name not in self.alarms)

    @property
    def names(self) -> frozenset[str]:
        """Return the names of the alarms that are written."""
        every = (names if isinstance(names, tuple) else (names,) for names in self.alarms.values())
        return frozenset(name for names in every for name in names if name is not None)

    @property
    def pause(self) -> float:
        """Return the product seconds before the next try."""
        return float(min(FIRST_PAUSE * 2 ** min(self.stopped - 1, 10), LONGEST_PAUSE))

    def behind(self, groups: tuple[CountedGroup, ...]) -> Self:
        """Return it for a service with these target groups: from the beginning, where it had others."""
        if self.groups == groups:
            return self
        return self.model_copy(update={"groups": groups, "dashboard": False, "alarms": {}})

    def with_dashboard(self) -> Self:
        return self.model_copy(update={"dashboard": True})

    def with_alarms(self, rule: Rule, names: tuple[str, ...]) -> Self:
        return self.model_copy(update={"alarms": {**self.alarms, rule.name: names}})

    def stopped_again(self) -> Self:
        return self.model_copy(update={"stopped": self.stopped + 1})


def turn_after(target: Target) -> float:
    """Return the product seconds until a target tries again; they differ, so that not all targets try at once."""
    return TURN_SECONDS * (0.5 + crc32(str(target).encode()) % 1000 / 1000)
