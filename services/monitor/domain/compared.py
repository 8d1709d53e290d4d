"""The gates that compare the new version with the one before it, minute by minute, as a run's policy says.

A gate fails where a metric is worse by more than chance explains and by enough to matter, and so still at the newest
minutes. What was known too seldom before the change cannot be compared, and the gate does not apply. Without a point
since the change it is inconclusive.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, floor, log, log1p
from statistics import median

from contracts.gates import Gate, Verdict
from contracts.policy import Worsening
from services.monitor.domain.comparison.compare import LASTING, Comparison, Evidence, compare, of_counts, of_values
from services.monitor.domain.comparison.shares import Counts
from services.monitor.domain.comparison.spending import EVERY
from services.monitor.domain.metrics import CPU, HEALTHY, MEMORY, MINUTE, RESPONSE_TIME, Readings, Series

BASELINE = 120
"""So many minutes before the change are read: few minutes do not tell how much errors vary by themselves."""
RECENT = 60
"""So many of them are compared by ranks, since a load that changes over the day would count for the change's."""
LEAST_BEFORE = 20
"""Fewer minutes before the change tell nothing of what is usual."""
COVERED = 0.8
"""A metric that has a point in a smaller share of the minutes before the change is known too seldom to wait for."""
LEAST_SECONDS = 1e-3
"""What the logarithm is taken of at least."""


@dataclass(frozen=True, slots=True)
class Span:
    """The minutes that are compared; all times are epoch seconds."""

    changed_at: float
    """When the change was applied: what ended by then is of the version before."""
    asked_at: float
    """When the new version had taken over: what begins from then on is its own."""
    until: float
    """When an answer must be given at the latest."""
    now: float

    @property
    def planned(self) -> int:
        """Minutes over which the looks are spread."""
        return max(1, floor((self.until - self._begin) / MINUTE))

    @property
    def _begin(self) -> float:
        return ceil(self.asked_at / MINUTE) * MINUTE

    def sides(self, series: Series) -> tuple[dict[int, float], dict[int, float]]:
        """Return the recent minutes before the change, and those since."""
        return self.before(series, RECENT), self.after(series)

    def covers(self, before: Mapping[int, object]) -> int:
        """Return how many minutes lie between the first of ``before`` and the change."""
        end = round((floor(self.changed_at / MINUTE) * MINUTE - self._begin) / MINUTE)
        return end - min(before, default=end)

    def before(self, series: Series, minutes: int) -> dict[int, float]:
        end = floor(self.changed_at / MINUTE) * MINUTE
        return self._numbered(series, end - minutes * MINUTE, end)

    def after(self, series: Series) -> dict[int, float]:
        return self._numbered(series, self._begin, floor(self.now / MINUTE) * MINUTE)

    def _numbered(self, series: Series, begin: float, end: float) -> dict[int, float]:
        """Return the minutes from ``begin`` until ``end``, numbered from the first one since the change."""
        return {
            round((at - self._begin) / MINUTE): value
            for at, value in sorted(series.items())
            if begin <= at and at + MINUTE <= end
        }


@dataclass(frozen=True, slots=True)
class Compared:
    """One metric with both its sides."""

    gate: str
    """The name of its gate."""
    unit: str
    evidence: Evidence
    covers: int
    """Minutes between the first point before the change and the change."""
    least: float
    """What worsens by less does not matter; in the metric's unit."""
    expected: float
    """The level that would be no worse."""
    falls: bool = False
    """Whether lower is worse."""

    @property
    def applies(self) -> bool:
        return self.evidence.before >= max(LEAST_BEFORE, COVERED * self.covers) and self.least > 0

    def worsening(self, level: float) -> float:
        return self.expected - level if self.falls else level - self.expected

    def matters(self, level: float) -> bool:
        return self.worsening(level) >= self.least


def compared_gates(readings: Readings, policy: Worsening, span: Span, *, rest_is_done: bool) -> tuple[Gate, ...]:
    """Return a gate for each metric that the policy compares.

    ``rest_is_done`` says that all other evidence is there, so that the answer is given now unless a point is missing.
    """
    if not policy.enabled:
        return ()
    rows = (_error_rate, _response_time, _cpu, _memory, _throughput)
    found = [compared for row in rows if (compared := row(readings, policy, span)) is not None]
    if readings.service.wanted == 0:
        return tuple(Gate.does_not_apply(compared.gate, "the service wants no task") for compared in found)
    last = span.now >= span.until or (rest_is_done and all(side.evidence.after for side in found if side.applies))
    return tuple(_gate_of(compared, policy, span, last=last) for compared in found)


def _gate_of(found: Compared, policy: Worsening, span: Span, *, last: bool) -> Gate:
    if not found.applies:
        metric = found.gate.removesuffix("_compared").replace("_", " ")
        known = f"{found.evidence.before} of the {found.covers} minutes before the change show it"
        return Gate.does_not_apply(found.gate, f"there is no usual {metric} to compare with: {known}")
    if not found.evidence.after:
        return _gate(found, Verdict.INCONCLUSIVE, None, 0, "there is no point since the change", needs=1)
    result = compare(found.evidence, found.matters, span.planned, policy.alpha, last=last)
    if result is None:
        detail = f"the first look is due {EVERY} minutes after the new version took over"
        needs = EVERY - found.evidence.after
        return _gate(found, Verdict.INCONCLUSIVE, None, found.evidence.after, detail, needs)
    worse = found.worsening(result.level) if result.proven else 0.0
    verdict = Verdict.FAIL if worse >= found.least else Verdict.PASS
    return _gate(found, verdict, max(worse, 0.0), result.minutes, _sentence(found, result))


def _sentence(found: Compared, result: Comparison) -> str:
    """Return the arithmetic in a sentence."""
    unit = found.unit
    levels = f"{result.level:.4g}{unit} in {result.minutes} min since the change, {found.evidence.usual:.4g}{unit} in "
    levels += f"{found.evidence.before} min before"
    if found.expected != found.evidence.usual:
        levels += f", {found.expected:.4g}{unit} expected with the load of each task"
    proof = "proves" if result.proven else "does not prove"
    return f"{levels}; p = {result.chance:.2g}, which {proof} a worsening (at most {result.alpha:.2g} at this look)"


def _gate(found: Compared, verdict: Verdict, value: float | None, samples: int, detail: str, needs: int = 0) -> Gate:
    return Gate(
        name=found.gate,
        verdict=verdict,
        value=value,
        comparison="<",
        threshold=found.least,
        unit=found.unit,
        samples=samples,
        needs=needs,
        detail=detail,
    )


def _error_rate(readings: Readings, policy: Worsening, span: Span) -> Compared | None:
    if policy.error_rate_points is None:
        return None
    failed = {at: sum(readings.counts((at,))[1:]) for at in readings.requests}
    before = _pairs(span.before(failed, BASELINE), span.before(readings.requests, BASELINE))
    found = of_counts(before, _pairs(span.after(failed), span.after(readings.requests)))
    least = max(policy.error_rate_points, (policy.error_rate_factor - 1) * found.usual)
    return Compared("error_rate_compared", "%", found, span.covers(before), least, found.usual)


def _pairs(failed: dict[int, float], asked: dict[int, float]) -> Counts:
    return {at: (failed[at], asked[at]) for at in asked}


def _response_time(readings: Readings, policy: Worsening, span: Span) -> Compared | None:
    if policy.response_time_factor is None:
        return None
    before, after = span.sides(readings.of(RESPONSE_TIME))
    found = of_values(before, after, lambda seconds: log(max(seconds, LEAST_SECONDS)))
    least = max(policy.response_time_seconds, (policy.response_time_factor - 1) * found.usual)
    return Compared("response_time_compared", " s", found, span.covers(before), least, found.usual)


def _cpu(readings: Readings, policy: Worsening, span: Span) -> Compared | None:
    if policy.cpu_points is None:
        return None
    before, after = span.sides(readings.of(CPU))
    found = of_values(before, after)
    expected = found.usual * _load_factor(readings, span)
    return Compared("cpu_compared", "%", found, span.covers(before), policy.cpu_points, expected)


def _load_factor(readings: Readings, span: Span) -> float:
    """Return how many times the load of each task has become that of before, at least 1: as its CPU may.

    The load is requests, or what is to be done at all where nothing counts requests, by healthy tasks.
    """
    tasks = {at: count for at, count in readings.healthy.items() if count > 0}
    asked = readings.requests if readings.service.balanced else dict.fromkeys(tasks, 1.0)
    before, after = span.sides({at: asked.get(at, 0.0) / count for at, count in tasks.items()})
    usual = median(before.values()) if before else 0.0
    newest = [after[at] for at in sorted(after)[-LASTING:]]
    return max(1.0, median(newest) / usual) if newest and usual else 1.0


def _memory(readings: Readings, policy: Worsening, span: Span) -> Compared | None:
    if policy.memory_points is None:
        return None
    before, after = span.sides(readings.of(MEMORY))
    found = of_values(before, after)
    return Compared("memory_compared", "%", found, span.covers(before), policy.memory_points, found.usual)


def _throughput(readings: Readings, policy: Worsening, span: Span) -> Compared | None:
    """Compare requests a minute; a minute in which the load balancer counts its targets but no request has none."""
    if policy.throughput_percent is None:
        return None
    asked = {**dict.fromkeys(readings.of(HEALTHY), 0.0), **readings.requests}
    before, after = span.sides(asked if readings.service.balanced else {})
    found = of_values(before, after, log1p, falls=True)
    least = policy.throughput_percent / 100 * found.usual
    return Compared("throughput_compared", "/min", found, span.covers(before), least, found.usual, falls=True)
