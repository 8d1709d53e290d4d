"""What a database's troubles mean for rules: what breaks a rule in that time is held against no version."""

from collections.abc import Iterable

from contracts import troubles
from contracts.gates import Gate, Verdict
from services.monitor.domain.metrics import MINUTE
from services.monitor.domain.rules import Rule


class Troubles(troubles.Troubles):
    """All that is known of a database's troubles, the oldest first."""

    def harmed(self, rule: Rule, minute: float, value: float) -> bool:
        """Return whether a minute would break the rule if it went on, and lies in a time of trouble."""
        lasting = value * rule.minutes if rule.measure.aggregation == "sum" else value
        return rule.breaks(lasting) and self.during(minute, minute + MINUTE) is not None

    def explains(self, gates: Iterable[Gate]) -> bool:
        """Return whether a gate has no verdict because of a trouble (``excused``)."""
        details = {trouble.fault.detail for trouble in self.known}
        return any(gate.verdict is Verdict.INCONCLUSIVE and gate.detail in details for gate in gates)


NONE = Troubles()
