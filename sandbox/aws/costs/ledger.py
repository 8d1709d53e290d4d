"""The ledger of use: quantities by hour, usage type, and tags of the user.

A use is entered once, when it has ended; what still runs is added to each answer and not kept. So each second counts
once however time is stepped.
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
    """A task's use of its CPU and memory, between two times in epoch seconds."""

    since: float
    until: float
    given: tuple[tuple[str, float], ...]
    """Usage types, and how many hours of each are used in an hour: 0.5 for half a vCPU."""
    tags: Tags = ()


@dataclass(frozen=True, slots=True)
class Line:
    """The quantity of one usage type that was used under these tags in one hour."""

    hour: int
    """Start of the hour, in epoch seconds."""
    usage_type: str
    tags: Tags
    quantity: float
    """Hours of a vCPU or of a gigabyte."""
    account: str
    """The account that is billed."""


class Ledger:
    """All use that has ended. Change and read it under the world's lock."""

    def __init__(self, account: str = ACCOUNT) -> None:
        self._account = account
        self._hours: Hours = {}

    def enter(self, use: Use) -> None:
        """Enter a use that has ended."""
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
    """Yield each hour between two times, with the part of it that lies between them."""
    hour = int(since // HOUR) * HOUR
    while hour < until:
        yield hour, (min(until, hour + HOUR) - max(since, hour)) / HOUR
        hour += HOUR
