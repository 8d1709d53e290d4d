"""The one clock: product time is an anchor plus a rate times the time of Redis.

The default is the identity. The sandbox sets ``SUREFOOT_CLOCK`` so that deadlines, metric windows
and simulated AWS agree at any speed. Leases and socket timeouts stay in real seconds: they are about
processes and connections, not about deployments.
"""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf, isfinite
from typing import Protocol, Self

_FIRST = datetime(1, 1, 1, tzinfo=UTC).timestamp()
_LAST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()


@dataclass(frozen=True, slots=True)
class Pace:
    """How product time runs against real time: ``anchor + rate * (real - anchor)``, in epoch seconds.

    Written ``RATE@ANCHOR``: ``20@1764000000`` runs twenty times as fast as the clock on the wall
    since that moment. ``1@0`` is the identity.
    """

    rate: float = 1.0
    anchor: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.rate < inf or not isfinite(self.anchor):
            msg = f"the rate of SUREFOOT_CLOCK must be above 0 and its anchor a moment, not {self}"
            raise ValueError(msg)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``RATE@ANCHOR``. Raise ``ValueError`` with the accepted form for anything else."""
        rate, _, anchor = text.partition("@")
        try:
            return cls(float(rate), float(anchor or 0))
        except ValueError as error:
            msg = f"SUREFOOT_CLOCK must look like RATE@ANCHOR, 20@1764000000 for instance, not {text!r}"
            raise ValueError(msg) from error

    def __str__(self) -> str:
        return f"{self.rate:g}@{self.anchor:.6f}"

    def at(self, real: float) -> float:
        """Return the product time at the real time ``real``, both in epoch seconds."""
        return self.anchor + self.rate * (real - self.anchor)


class Clock(Protocol):
    """The clock of a service. Domain code never reads it: ``now`` is passed to it."""

    def now(self) -> float:
        """Return the product time in epoch seconds (UTC)."""
        ...

    def at(self, real: float) -> float:
        """Return the product time at a wall-clock time that an outside writer gave, both in epoch seconds."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for ``seconds`` of product time."""
        ...


class PacedClock:
    """Product time from this machine's monotonic clock, set by the time of Redis (``set``)."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self._offset = time.time() - time.monotonic()

    def set(self, real: float) -> None:
        """Take ``real``, in epoch seconds, as the present time; the caller repeats this to follow Redis."""
        self._offset = real - time.monotonic()

    def now(self) -> float:
        return self.pace.at(time.monotonic() + self._offset)

    def at(self, real: float) -> float:
        return self.pace.at(real)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds) / self.pace.rate)


def moment(seconds: float) -> datetime:
    """Return epoch seconds as a datetime in UTC, as events and AWS calls carry it.

    Times outside the years 1 to 9999 are clamped: many writers use the year 9999 for "never", and product time may
    run past it.
    """
    return datetime.fromtimestamp(min(max(seconds, _FIRST), _LAST), UTC)
