"""What the version before did: what it broke as well, and by as much, is not the change's.

A rule that was broken in any whole window of the minutes before a deployment excuses its successor as long as that is
no worse. It is worse where it is so by half as much again, and for a share of requests by more than chance as well.
Where so few requests come that no window has a rate, all of them together are one. The minutes of a failed attempt that
was deployed just before excuse nobody: those before it count instead.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from math import floor, sqrt
from statistics import median

from contracts.limits import LEAST_REQUESTS
from services.monitor.domain.history import outside
from services.monitor.domain.metrics import MINUTE, Readings, minutes_before
from services.monitor.domain.rules import Rule

BASELINE = 15
"""So many minutes before a deployment show what the version before did."""
LONGEST = 60
"""So many show it where few requests come; an evaluation has read them."""
FARTHEST = 180
"""So many minutes before a deployment they are looked for."""
WORSE = 1.5
"""A value that is worse by a smaller factor is no worse."""
SIGMAS = 3.0
"""A share of requests is worse only beyond so many standard deviations of chance."""


@dataclass(frozen=True, slots=True)
class Before:
    """How a rule was kept in the minutes before a deployment."""

    value: float
    """What was usual: the median of the minutes, or of the windows where minutes can be combined. A share of requests
    that is lower over all these minutes is that."""
    requests: float
    broken: bool
    """Whether any whole window broke the rule."""

    def excuses(self, rule: Rule, value: float | None, requests: float) -> bool:
        """Return whether ``value``, over ``requests``, is no worse than what had broken the rule before."""
        if not self.broken or value is None:
            return False
        if rule.comparison in {"<", "<="}:
            return value >= self.value / WORSE
        return value <= max(WORSE * self.value, self.value + self._noise(rule, requests))

    def _noise(self, rule: Rule, requests: float) -> float:
        """Return how much a share of requests, per cent, may rise by chance alone; 0 for other measures."""
        if not rule.is_share or not requests or not self.requests:
            return 0.0
        share = min(self.value / 100, 1.0)
        return 100 * SIGMAS * sqrt(share * (1 - share) * (1 / requests + 1 / self.requests))


def before(rule: Rule, readings: Readings, moment: float) -> Before | None:
    """Return how the rule was kept in the whole minutes before ``moment``; None where too little of it is known."""
    series = rule.series(readings)
    minutes = usual_minutes(readings, moment, BASELINE)
    known = {minute: series[minute] for minute in minutes if minute in series}
    whole = list(windows(rule, readings, known))
    if not whole:
        return _of_few(rule, readings, usual_minutes(readings, moment, LONGEST))
    requests = rule.measure.requests
    if rule.measure.aggregation == "sum":
        value = median(sum(window.values()) for window in whole)
    elif requests and requests.over:
        usual = median(requests.over(readings, window) for window in whole)
        value = min(usual, requests.over(readings, known))
    else:
        value = median(known.values())
    broken = any(rule.breaks_over(window) for window in whole)
    return Before(value, readings.requests_in(known), broken)


def broken_until(rule: Rule, readings: Readings, moment: float) -> bool:
    """Return whether any minute of the window just before ``moment`` broke the rule, whatever served then."""
    series = rule.series(readings)
    window = minutes_before(floor(moment / MINUTE) * MINUTE, rule.minutes)
    known = {minute: series[minute] for minute in window if minute in series}
    if not _is_enough(rule, readings, known):
        return False
    if rule.measure.aggregation == "sum":
        return rule.breaks_over(known)
    return any(map(rule.breaks, known.values()))


def _is_enough(rule: Rule, readings: Readings, window: dict[float, float]) -> bool:
    """Return whether a window of requests has enough of them to be a rate."""
    return not rule.measure.requests or readings.requests_in(window) >= LEAST_REQUESTS


def usual_minutes(readings: Readings, moment: float, most: int) -> tuple[float, ...]:
    """Return the begins of the newest whole minutes before ``moment`` in which no failed attempt served."""
    rollout = readings.service.rollout
    attempts = rollout.attempts if rollout is not None else ()
    newest = floor(moment / MINUTE) * MINUTE - MINUTE
    back = (newest - MINUTE * minutes for minutes in range(FARTHEST))
    usual = (minute for minute in back if outside(minute, MINUTE, attempts))
    return tuple(reversed(tuple(islice(usual, most))))


def _of_few(rule: Rule, readings: Readings, minutes: Iterable[float]) -> Before | None:
    """Return the share of all requests of ``minutes``; None for other measures, and where these are too few."""
    measure = rule.measure.requests
    known = [minute for minute in minutes if minute in readings.requests]
    requests = sum(readings.requests[minute] for minute in known)
    if measure is None or measure.over is None or requests < LEAST_REQUESTS:
        return None
    share = measure.over(readings, known)
    return Before(share, requests, broken=rule.breaks(share))


def windows(rule: Rule, readings: Readings, known: dict[float, float]) -> Iterator[dict[float, float]]:
    """Yield each whole window that can be judged; a window of requests needs enough of them."""
    for begin in known:
        window = {
            minute: known[minute]
            for minute in minutes_before(begin + rule.minutes * MINUTE, rule.minutes)
            if minute in known
        }
        if len(window) == rule.minutes and _is_enough(rule, readings, window):
            yield window
