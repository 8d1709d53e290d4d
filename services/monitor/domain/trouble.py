"""When the database was in trouble: what breaks a rule in that time is held against no version.

Each look asks how the database is at that moment, and metrics come later. So the times of trouble are remembered, and a
minute is judged by how the database was then.
"""

from collections.abc import Iterable

from contracts.base import Contract
from contracts.gates import Gate, Verdict
from contracts.monitor import DependencyFault
from services.monitor.domain.metrics import MINUTE
from services.monitor.domain.rules import Rule

RECOVERS = MINUTE
"""So long an application may take to connect again, once its database is back."""
REMEMBERED = 3 * 3600.0
"""Seconds after its end for which a trouble is remembered: a look reads no older points."""


class Trouble(Contract):
    """A time in which the database was in trouble, or may have been; epoch seconds."""

    fault: DependencyFault
    begins: float
    """When it was last seen to be well; 0 where it never was."""
    until: float
    """When it was seen to be well again; while it is not, when it was seen last."""
    lasting: bool
    """Whether it was not seen to be well since."""

    def touches(self, begin: float, end: float) -> bool:
        return self.begins < end and begin < self.until + RECOVERS


class Troubles(Contract):
    """All that is known of a database's troubles, the oldest first."""

    known: tuple[Trouble, ...] = ()
    well_at: float = 0.0
    """When it was last seen to be well; 0: never."""

    def following(self, fault: DependencyFault | None, now: float) -> "Troubles":
        """Return what is known after a look that found ``fault``, or that nothing is wrong."""
        lasting = self.known[-1] if self.known and self.known[-1].lasting else None
        earlier = tuple(
            trouble for trouble in self.known if trouble is not lasting and trouble.until > now - REMEMBERED
        )
        if lasting is not None:
            seen = {"until": now, "lasting": fault is not None, "fault": fault or lasting.fault}
            earlier = (*earlier, lasting.model_copy(update=seen))
        elif fault is not None:
            earlier = (*earlier, Trouble(fault=fault, begins=self.well_at, until=now, lasting=True))
        return Troubles(known=earlier, well_at=self.well_at if fault else now)

    def during(self, begin: float, end: float) -> DependencyFault | None:
        """Return what was wrong at any moment of a time, the newest; None where nothing was, or nothing is known."""
        return next((trouble.fault for trouble in reversed(self.known) if trouble.touches(begin, end)), None)

    def harmed(self, rule: Rule, minute: float, value: float) -> bool:
        """Return whether a minute would break the rule if it went on, and lies in a time of trouble."""
        lasting = value * rule.minutes if rule.measure.aggregation == "sum" else value
        return rule.breaks(lasting) and self.during(minute, minute + MINUTE) is not None

    def explains(self, gates: Iterable[Gate]) -> bool:
        """Return whether a gate has no verdict because of a trouble (``excused``)."""
        details = {trouble.fault.detail for trouble in self.known}
        return any(gate.verdict is Verdict.INCONCLUSIVE and gate.detail in details for gate in gates)


NONE = Troubles()


def excused(gate: Gate, fault: DependencyFault) -> Gate:
    """Return the gate without a verdict, since the database's ``fault`` explains it."""
    return gate.model_copy(update={"verdict": Verdict.INCONCLUSIVE, "detail": fault.detail})
