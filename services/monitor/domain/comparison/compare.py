"""One metric of the new version beside that of the version before: is it worse by chance alone, and by enough?

What is worse than the minutes before the change may be so since every version of the service is at its start: caches
are cold, and connections are opened. So it must be worse than the same minutes after the last good deployments as well,
where these are known. Both tests have the whole ``alpha``: wherever nothing is wrong, one of them is right not to
reject, and both must (an intersection-union test: Berger 1982, Technometrics 24:295).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Literal, TypeVar

from services.monitor.domain.comparison.ranks import chance_of_rise, least_chance, persistence, remainders
from services.monitor.domain.comparison.shares import Counts, burstiness, chance_of_more, share, total
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
Matters = Callable[[float, float | None], bool]
"""Whether a level is worse by enough than another one; None: than the level before the change."""


@dataclass(frozen=True, slots=True)
class Starts:
    """The same minutes after the last good deployments, all together."""

    minutes: Callable[[range], int]
    """Return how many of them have a value, in a range of minutes."""
    chance: Chance
    """Return the chance that the new version's are so high if it starts as those did."""
    least: Chance
    """Return the smallest chance that so few minutes can show, however high the new version's values are."""
    level: Level


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
    starts: Starts


@dataclass(frozen=True, slots=True)
class Start:
    """How a worsening compares with the same minutes after the last good deployments."""

    finding: Literal["worse", "as then", "too few"]
    """``too few``: so few minutes prove nothing, however bad they are."""
    chance: float
    level: float
    minutes: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the looks have found."""

    chance: float
    """The p-value of the test that decided, or of the newest one."""
    alpha: float
    """The highest p-value that would prove a rise in that test."""
    window: range
    """The minutes since the change that it took."""
    level: float
    """The level of these minutes."""
    matters: bool = False
    """Whether that is worse by enough."""
    start: Start | None = None
    """Set where something has become worse, and the last good deployments' minutes are known."""

    @property
    def minutes(self) -> int:
        return len(self.window)

    @property
    def proven(self) -> bool:
        return self.chance <= self.alpha

    @property
    def finding(self) -> Literal["no worse", "worse", "as then", "too few"]:
        if not self.proven or not self.matters:
            return "no worse"
        return "worse" if self.start is None else self.start.finding


_DECISIVE = ("worse", "as then", "too few")


def of_counts(before: Counts, after: Counts, starts: Sequence[Counts] = ()) -> Evidence:
    """Return the evidence of requests that failed; levels are per cent of the requests."""
    bursts = burstiness(before)

    def then(minutes: range) -> Counts:
        kept = [_within(series, minutes) for series in starts]
        return {at: total(dict(enumerate(series[at] for series in kept if at in series))) for at in minutes}

    def chance_then(minutes: range, later: Counts) -> float:
        earlier = then(minutes)
        # errors that come in bursts differ the more, the more of them there are
        more = max(1.0, share(earlier) / share(before)) if share(before) else 1.0
        return chance_of_more(earlier, later, 1 + (bursts - 1) * more)

    return Evidence(
        before=len(before),
        after=_until(after),
        usual=100 * share(before),
        chance=lambda minutes: chance_of_more(before, _within(after, minutes), bursts),
        level=lambda minutes: 100 * share(_within(after, minutes)),
        starts=Starts(
            minutes=lambda minutes: sum(len(_within(series, minutes)) for series in starts),
            chance=lambda minutes: chance_then(minutes, _within(after, minutes)),
            least=lambda minutes: chance_then(
                minutes, {at: (asked, asked) for at, (_, asked) in _within(after, minutes).items()}
            ),
            level=lambda minutes: 100 * share(then(minutes)),
        ),
    )


def of_values(
    before: Series,
    after: Series,
    scale: Callable[[float], float] = lambda value: value,
    *,
    falls: bool = False,
    starts: Sequence[Series] = (),
) -> Evidence:
    """Return the evidence of values, compared on a ``scale`` on which their noise is even.

    ``falls``: lower values are worse, not higher ones.
    """
    sign = -1 if falls else 1

    def scaled(series: Series) -> dict[int, float]:
        return {at: sign * scale(value) for at, value in series.items()}

    older = scaled(before)
    kept = persistence(older)
    earlier, later = tuple(remainders(older, kept).values()), remainders(scaled(after), kept)
    then = [remainders(scaled(series), kept) for series in starts]

    def of_starts(minutes: range) -> tuple[float, ...]:
        return tuple(value for series in then for value in _within(series, minutes).values())

    def of_now(minutes: range) -> tuple[float, ...]:
        return tuple(_within(later, minutes).values())

    return Evidence(
        before=len(before),
        after=_until(after),
        usual=median(before.values()) if before else 0.0,
        chance=lambda minutes: chance_of_rise(earlier, of_now(minutes)),
        level=lambda minutes: _level([after], minutes),
        starts=Starts(
            minutes=lambda minutes: len(of_starts(minutes)),
            chance=lambda minutes: chance_of_rise(of_starts(minutes), of_now(minutes)),
            least=lambda minutes: least_chance(len(of_starts(minutes)), len(of_now(minutes))),
            level=lambda minutes: _level(starts, minutes),
        ),
    )


def compare(evidence: Evidence, matters: Matters, planned: int, alpha: float, *, last: bool) -> Comparison:
    """Return what is worse by more than chance and so that it ``matters``, else the newest test.

    ``evidence`` has a minute since the change at least. ``planned`` is the number of minutes over which ``alpha`` is
    spent. ``last`` says that there will be no other look.
    """
    found: list[Comparison] = []
    for look in looks_at(evidence.after, planned, alpha, last=last):
        newest = range(max(0, look.minutes - NEWEST), look.minutes)
        windows = [(newest, 1 - WHOLE_SHARE), (range(look.minutes), WHOLE_SHARE)] if newest.start else [(newest, 1.0)]
        found += [_test(evidence, matters, window, part * look.alpha) for window, part in windows]
    decisive = (test for finding in _DECISIVE for test in found if test.finding == finding)
    return next(decisive, found[-1])


def may_be_worse(evidence: Evidence, matters: Matters) -> bool:
    """Return whether all minutes since the change are worse so that it matters, be it by chance or not."""
    window = range(evidence.after)
    level, starts = evidence.level(window), evidence.starts
    return matters(level, None) and (not starts.minutes(window) or matters(level, starts.level(window)))


def _test(evidence: Evidence, matters: Matters, window: range, alpha: float) -> Comparison:
    level = evidence.level(window)
    test = Comparison(evidence.chance(window), alpha, window, level, matters(level, None))
    known = evidence.starts.minutes(window)
    return test if test.finding == "no worse" or not known else replace(test, start=_start(evidence, matters, test))


def _start(evidence: Evidence, matters: Matters, test: Comparison) -> Start:
    starts, window = evidence.starts, test.window
    minutes, level, chance = starts.minutes(window), starts.level(window), starts.chance(window)
    if starts.least(window) > test.alpha:
        return Start("too few", chance, level, minutes)
    worse = chance <= test.alpha and matters(test.level, level)
    return Start("worse" if worse else "as then", chance, level, minutes)


def _level(sides: Sequence[Series], minutes: range) -> float:
    """Return the middle value of the newest ``LASTING`` minutes that any side has."""
    known = sorted({at for side in sides for at in _within(side, minutes)})[-LASTING:]
    return median([side[at] for side in sides for at in known if at in side] or [0.0])


def _until(after: Mapping[int, object]) -> int:
    return max(after, default=-1) + 1


def _within(series: Mapping[int, Value], minutes: range) -> dict[int, Value]:
    return {at: value for at, value in series.items() if at in minutes}
