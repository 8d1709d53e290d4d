"""When a database was in trouble: what fails in that time is held against no version (ADR 12).

Each look asks how the database is at that moment, and what it broke is seen later. So the times of trouble are
remembered, and each moment is judged by how the database was then.
"""

from typing import Self

from contracts.base import Contract
from contracts.gates import Gate, Verdict
from contracts.monitor import DependencyFault

RECOVERS = 60.0
"""So long an application may take to connect again, once its database is back. Seconds."""
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

    def following(self, fault: DependencyFault | None, now: float) -> Self:
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
        return self.model_copy(update={"known": earlier, "well_at": self.well_at if fault else now})

    def during(self, begin: float, end: float) -> DependencyFault | None:
        """Return what was wrong at any moment of a time, the newest; None where nothing was, or nothing is known."""
        return next((trouble.fault for trouble in reversed(self.known) if trouble.touches(begin, end)), None)


def excused(gate: Gate, fault: DependencyFault) -> Gate:
    """Return the gate without a verdict, since the database's ``fault`` explains it."""
    return gate.model_copy(update={"verdict": Verdict.INCONCLUSIVE, "detail": fault.detail})
