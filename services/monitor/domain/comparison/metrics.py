"""The metrics that are compared: their values on all sides of a change, and from when on a worsening matters."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log, log1p
from statistics import median

from contracts.policy import Worsening
from services.monitor.domain.comparison.compare import LASTING, Evidence, of_counts, of_values
from services.monitor.domain.comparison.shares import Counts
from services.monitor.domain.comparison.span import BASELINE, RECENT, GoodStart, Span
from services.monitor.domain.metrics import CPU, HEALTHY, MEMORY, RESPONSE_TIME, Metric, Readings, Series

LEAST_BEFORE = 20
"""Fewer minutes before the change tell nothing of what is usual."""
COVERED = 0.8
"""A metric that has a point in a smaller share of the minutes before the change is known too seldom to wait for."""
LEAST_SECONDS = 1e-3
"""What the logarithm is taken of at least."""
AS_BUSY = 2.0
"""A start under a load of each task that differs by a larger factor says nothing about this one: noon is no night."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One metric with all its sides."""

    gate: str
    """The name of its gate."""
    unit: str
    evidence: Evidence
    covers: int
    """Minutes between the first point before the change and the change."""
    least_over: Callable[[float], float]
    """Return which worsening matters over a level, in the metric's unit; what worsens by less does not."""
    load: float = 1.0
    """How many times the level before the change may be expected, as the load has grown."""
    falls: bool = False
    """Whether lower is worse."""

    @property
    def expected(self) -> float:
        """The level that would be no worse."""
        return self.evidence.usual * self.load

    @property
    def least(self) -> float:
        return self.least_over(self.evidence.usual)

    @property
    def applies(self) -> bool:
        return self.evidence.before >= max(LEAST_BEFORE, COVERED * self.covers) and self.least > 0

    def worsening(self, level: float) -> float:
        return self.expected - level if self.falls else level - self.expected

    def matters(self, level: float, then: float | None) -> bool:
        """Return whether a level is worse by enough than ``then``; None: than before the change."""
        if then is None:
            return self.worsening(level) >= self.least
        return (then - level if self.falls else level - then) >= self.least_over(then)


@dataclass(frozen=True, slots=True)
class Sides:
    """The readings with the minutes of all sides."""

    readings: Readings
    span: Span
    starts: Sequence[GoodStart]

    def counted(self) -> tuple[Counts, Counts, list[Counts]]:
        """Return (requests that failed, requests) of each minute before, since, and after each good start."""
        before, after, span = self.span.before, self.span.after, self.span
        asked, failed = self.readings.requests, _failed(self.readings)
        then = [
            _pairs(span.then(start, _failed(start.readings)), span.then(start, start.readings.requests))
            for start in self.starts
        ]
        return _pairs(before(failed, BASELINE), before(asked, BASELINE)), _pairs(after(failed), after(asked)), then

    def values(
        self,
        series: Callable[[Readings], Series],
        scale: Callable[[float], float] = lambda value: value,
        *,
        falls: bool = False,
    ) -> Evidence:
        before, after = self.span.sides(series(self.readings))
        then = [self.span.then(start, series(start.readings)) for start in self.starts]
        return of_values(before, after, scale, falls=falls, starts=then)

    def covers(self, series: Series, minutes: int = RECENT) -> int:
        return self.span.covers(self.span.before(series, minutes))


def _failed(readings: Readings) -> Series:
    return {at: sum(readings.counts((at,))[1:]) for at in readings.requests}


def _pairs(failed: dict[int, float], asked: dict[int, float]) -> Counts:
    return {at: (failed[at], asked[at]) for at in asked}


def _error_rate(sides: Sides, policy: Worsening) -> Compared | None:
    points = policy.error_rate_points
    if points is None:
        return None
    before, after, then = sides.counted()
    covers = sides.covers(sides.readings.requests, BASELINE)

    def least(usual: float) -> float:
        return max(points, (policy.error_rate_factor - 1) * usual)

    return Compared("error_rate_compared", "%", of_counts(before, after, then), covers, least)


def _response_time(sides: Sides, policy: Worsening) -> Compared | None:
    factor = policy.response_time_factor
    if factor is None:
        return None
    found = sides.values(_latency, lambda seconds: log(max(seconds, LEAST_SECONDS)))

    def least(usual: float) -> float:
        return max(policy.response_time_seconds, (factor - 1) * usual)

    return Compared("response_time_compared", " s", found, sides.covers(_latency(sides.readings)), least)


def _latency(readings: Readings) -> Series:
    return readings.of(RESPONSE_TIME)


def _cpu(sides: Sides, policy: Worsening) -> Compared | None:
    return _share("cpu_compared", CPU, policy.cpu_points, sides, _load_factor(sides.readings, sides.span))


def _memory(sides: Sides, policy: Worsening) -> Compared | None:
    return _share("memory_compared", MEMORY, policy.memory_points, sides)


def _share(gate: str, metric: Metric, points: float | None, sides: Sides, load: float = 1.0) -> Compared | None:
    """Compare a share of what was reserved; ``points`` is the least rise that matters."""
    if points is None:
        return None
    found, covers = sides.values(lambda readings: readings.of(metric)), sides.covers(sides.readings.of(metric))
    return Compared(gate, "%", found, covers, lambda _: points, load)


def _throughput(sides: Sides, policy: Worsening) -> Compared | None:
    """Compare requests a minute; a minute in which the load balancer counts its targets but no request has none."""
    percent = policy.throughput_percent
    if percent is None:
        return None
    found, covers = sides.values(_asked, log1p, falls=True), sides.covers(_asked(sides.readings))
    return Compared("throughput_compared", "/min", found, covers, lambda usual: percent / 100 * usual, falls=True)


def _asked(readings: Readings) -> Series:
    every = {**dict.fromkeys(readings.of(HEALTHY), 0.0), **readings.requests}
    return every if readings.service.balanced else {}


def _load(readings: Readings) -> dict[float, float]:
    """Return the load of each task: requests, or what is to be done at all where nothing counts requests, by tasks."""
    tasks = {at: count for at, count in readings.healthy.items() if count > 0}
    asked = readings.requests if readings.service.balanced else dict.fromkeys(tasks, 1.0)
    return {at: asked.get(at, 0.0) / count for at, count in tasks.items()}


def _load_factor(readings: Readings, span: Span) -> float:
    """Return how many times the load of each task has become that of before, at least 1: as its CPU may."""
    before, after = span.sides(_load(readings))
    usual = median(before.values()) if before else 0.0
    newest = [after[at] for at in sorted(after)[-LASTING:]]
    return max(1.0, median(newest) / usual) if newest and usual else 1.0


def as_busy(readings: Readings, span: Span, start: GoodStart) -> bool:
    """Return whether each task had about as much to do in the same minutes after an earlier deployment.

    Where nothing counts requests nobody knows, and it counts as so.
    """
    if not readings.service.balanced:
        return True
    now, then = span.after(_load(readings)), span.then(start, _load(start.readings))
    same = [(now[at], then[at]) for at in now if at in then]
    if not same:
        return False
    load_now, load_then = (median(side) for side in zip(*same, strict=True))
    return bool(load_now <= AS_BUSY * load_then and load_then <= AS_BUSY * load_now)


METRICS = (_error_rate, _response_time, _cpu, _memory, _throughput)
"""Each returns its metric with all sides; None where the policy does not compare it."""
