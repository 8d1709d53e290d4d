"""How often a caller may ask over HTTP. It is counted in this process's memory: it needs no Redis, and stops with it.

Who has proven who it is has a rate of its own. Strangers have one for each address, and a share that they use up
together without touching the others'. Requests by which people bring a service back draw from rates of their own.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

MOST_CALLERS = 10_000
"""How many callers are remembered, about 200 bytes each; who is forgotten begins anew."""


class Rate(NamedTuple):
    """So many requests a second, and so many at once after a pause."""

    a_second: float
    burst: float


@dataclass(frozen=True, slots=True)
class Rates:
    """The rates of one kind of requests."""

    proven: Rate
    """Each caller who has proven who it is."""
    address: Rate
    """Each address of strangers."""
    strangers: Rate
    """All strangers together."""


ORDINARY = Rates(proven=Rate(50, 200), address=Rate(20, 100), strangers=Rate(50, 200))
BY_HAND = Rates(proven=Rate(5, 50), address=Rate(2, 20), strangers=Rate(10, 50))
PACE = Rates(proven=Rate(100, 300), address=Rate(100, 300), strangers=Rate(200, 400))
"""The rates of requests of any kind, before their caller is known; they are slowed down and not refused."""


class RateLimit:
    """Counts the requests of one kind, by the generic cell rate algorithm (ATM Forum TM 4.0)."""

    def __init__(self, rates: Rates, now: Callable[[], float] = time.monotonic) -> None:
        self._rates = rates
        self._now = now
        self._full: OrderedDict[str, float] = OrderedDict()
        """Caller → when it will have its whole burst again."""
        self._strangers = 0.0

    def take(self, caller: str, *, proven: bool) -> float:
        """Count a request. Return 0, or the seconds after which it may be sent again: then it was not counted."""
        now, rates = self._now(), self._rates
        own = rates.proven if proven else rates.address
        full = max(self._full.get(caller, 0.0), now)
        wait = _wait(own, full, now)
        if not proven:
            together = max(self._strangers, now)
            wait = max(wait, _wait(rates.strangers, together, now))
            if wait <= 0:
                self._strangers = together + 1 / rates.strangers.a_second
        if wait <= 0:
            self._full[caller] = full + 1 / own.a_second
            self._full.move_to_end(caller)
            if len(self._full) > MOST_CALLERS:
                self._full.popitem(last=False)
        return max(wait, 0.0)


def _wait(rate: Rate, full: float, now: float) -> float:
    return full - now - (rate.burst - 1) / rate.a_second
