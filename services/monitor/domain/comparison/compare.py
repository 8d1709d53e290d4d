"""One metric of the new version beside that of the version before: is it worse by chance alone, and by enough?"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

from services.monitor.domain.comparison.ranks import chance_of_rise, persistence, remainders
from services.monitor.domain.comparison.shares import Counts, burstiness, chance_of_more, share
from services.monitor.domain.comparison.spending import looks_at

Series = Mapping[int, float]
"""Number of a minute → its value. 0 is the first minute since the change, and those before it are negative."""

NEWEST = 6
"""A decline that begins late shows in so many newest minutes sooner than in all."""
WHOLE_SHARE = 0.8
"""What of a look's alpha goes to all minutes since the change; the rest goes to the newest ones."""
LASTING = 3
"""What is worse must be so in the middle one of so many newest minutes."""

Value = TypeVar("Value")
Chance = Callable[[range], float]
Level = Callable[[range], float]


@dataclass(frozen=True, slots=True)
class Evidence:
    """The minutes of one metric on both sides of a change."""

    before: int
    """Minutes before the change that have a value."""
    after: int
    """Minutes since the change until the newest that has a value."""
    usual: float
    """The level before the change."""
    chance: Chance
    """Return the chance that a range of minutes since the change is so high if nothing has changed."""
    level: Level
    """Return the level of a range of minutes since the change."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the looks have found."""

    chance: float
    """The p-value of the test that decided, or of the newest one."""
    alpha: float
    """The highest p-value that would prove a rise in that test."""
    minutes: int
    """How many minutes since the change it took."""
    level: float
    """The level of these minutes."""

    @property
    def proven(self) -> bool:
        return self.chance <= self.alpha


def of_counts(before: Counts, after: Counts) -> Evidence:
    """Return the evidence of requests that failed; levels are per cent of the requests."""
    bursts = burstiness(before)
    return Evidence(
        before=len(before),
        after=_until(after),
        usual=100 * share(before),
        chance=lambda minutes: chance_of_more(before, _within(after, minutes), bursts),
        level=lambda minutes: 100 * share(_within(after, minutes)),
    )


def of_values(
    before: Series, after: Series, scale: Callable[[float], float] = lambda value: value, *, falls: bool = False
) -> Evidence:
    """Return the evidence of values, compared on a ``scale`` on which their noise is even.

    ``falls``: lower values are worse, not higher ones.
    """
    sign = -1 if falls else 1
    older, newer = ({at: sign * scale(value) for at, value in side.items()} for side in (before, after))
    kept = persistence(older)
    earlier, later = tuple(remainders(older, kept).values()), remainders(newer, kept)
    return Evidence(
        before=len(before),
        after=_until(after),
        usual=median(before.values()) if before else 0.0,
        chance=lambda minutes: chance_of_rise(earlier, tuple(_within(later, minutes).values())),
        level=lambda minutes: median([after[at] for at in sorted(_within(after, minutes))[-LASTING:]] or [0.0]),
    )


def compare(
    evidence: Evidence, matters: Callable[[float], bool], planned: int, alpha: float, *, last: bool
) -> Comparison | None:
    """Return what is worse by more than chance and so that it ``matters``, else the newest test; None before a look.

    ``planned`` is the number of minutes over which ``alpha`` is spent. ``last`` says that there will be no other look.
    """
    found: list[Comparison] = []
    for look in looks_at(evidence.after, planned, alpha, last=last):
        newest = range(max(0, look.minutes - NEWEST), look.minutes)
        windows = [(newest, 1 - WHOLE_SHARE), (range(look.minutes), WHOLE_SHARE)] if newest.start else [(newest, 1.0)]
        found += [_test(evidence, window, part * look.alpha) for window, part in windows]
    decisive = (test for test in found if test.proven and matters(test.level))
    return next(decisive, found[-1] if found else None)


def _test(evidence: Evidence, window: range, alpha: float) -> Comparison:
    return Comparison(evidence.chance(window), alpha, len(window), evidence.level(window))


def _until(after: Mapping[int, object]) -> int:
    return max(after, default=-1) + 1


def _within(series: Mapping[int, Value], minutes: range) -> dict[int, Value]:
    return {at: value for at, value in series.items() if at in minutes}
