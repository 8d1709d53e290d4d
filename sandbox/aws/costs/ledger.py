"""The ledger of what was used: quantities by the hour, the usage type and the tags of who used it.

Something is entered once, when it has ended; what still runs is added to each answer and not kept. So each second
counts once however time is stepped, and what has ended is no more than its share of a sum.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sandbox.aws.accounts import ACCOUNT

HOUR = 3600
Tags = tuple[tuple[str, str], ...]
"""Keys and values, in the order of the keys."""
Hours = dict[int, defaultdict[tuple[str, Tags], float]]
"""Quantities by the hour's beginning, in epoch seconds, and by usage type and tags."""


@dataclass(frozen=True, slots=True)
class Use:
    """A task's use of what it was given, between two moments in epoch seconds."""

    since: float
    until: float
    given: tuple[tuple[str, float], ...]
    """Usage types, and how many hours of each are used in an hour: 0.5 for half a vCPU."""
    tags: Tags = ()


@dataclass(frozen=True, slots=True)
class Line:
    """What was used of one usage type, by whoever has these tags, in one hour."""

    hour: int
    """Where it begins, in epoch seconds."""
    usage_type: str
    tags: Tags
    quantity: float
    """Hours of a vCPU or of a gigabyte."""
    account: str
    """Whose bill it is on."""


class Ledger:
    """All that was used and has ended. Change and read it under the world's lock."""

    def __init__(self, account: str = ACCOUNT) -> None:
        self._account = account
        self._hours: Hours = {}

    def enter(self, use: Use) -> None:
        """Take down something that has ended."""
        _add(self._hours, use, use.since, use.until)

    def lines(self, since: int, until: int, running: Iterable[Use] = ()) -> list[Line]:
        """Return the hours between two full hours, in epoch seconds, with the share of what still runs."""
        hours = {hour: kept.copy() for hour in range(since, until, HOUR) if (kept := self._hours.get(hour))}
        for use in running:
            _add(hours, use, max(use.since, since), min(use.until, until))
        return [
            Line(hour, usage_type, tags, quantity, self._account)
            for hour, quantities in sorted(hours.items())
            for (usage_type, tags), quantity in quantities.items()
        ]


def _add(hours: Hours, use: Use, since: float, until: float) -> None:
    for hour, share in _shares(since, until):
        quantities = hours.setdefault(hour, defaultdict(float))
        for usage_type, given in use.given:
            quantities[usage_type, use.tags] += given * share


def _shares(since: float, until: float) -> Iterator[tuple[int, float]]:
    """Each hour that lies between two moments, and how much of it does."""
    hour = int(since // HOUR) * HOUR
    while hour < until:
        yield hour, (min(until, hour + HOUR) - max(since, hour)) / HOUR
        hour += HOUR
