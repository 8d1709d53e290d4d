"""How often the comparison with the version before is wrong about healthy services, and how soon it finds a rise.

Requests come by Poisson's law, about a mean that follows the hours of a day. Error rate, 95th percentile, CPU, memory
and traffic wander: each minute keeps 50 to 80 % of the last one's deviation. The looks are those of a run that bakes
for a quarter of an hour. `python -m benchmarks.comparison [series] [seed]`
"""

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import cos, exp, pi, sqrt
from random import Random

from contracts.gates import Verdict
from contracts.policy import Worsening
from services.monitor.domain.compared import BASELINE, Span, compared_gates
from services.monitor.domain.comparison.spending import EVERY
from services.monitor.domain.metrics import MINUTE, Readings, WatchedService

BAKING = 15
DEPLOYING = 5
"""Minutes between the change and the time when the new version has taken over."""
CHANGED_AT = 1_764_000_000.0
SERVICE = WatchedService(
    cluster="Main",
    service="api",
    load_balancer="app/front/1",
    target_group="targetgroup/api/2",
    wanted=2,
    running=2,
    created_at=CHANGED_AT - 86_400,
)
ANY_RISE = Worsening(
    error_rate_points=1e-9,
    error_rate_factor=1,
    response_time_factor=1 + 1e-9,
    response_time_seconds=0,
    cpu_points=1e-9,
    memory_points=1e-9,
    throughput_percent=1e-9,
)
"""What is proven counts, however small it is."""


@dataclass(frozen=True, slots=True)
class Service:
    """What a service is like; its seed decides."""

    rng: Random
    requests: float = 100.0
    """A minute."""
    errors: float = 0.02
    worse_errors: float | None = None
    """The error rate after the change; None: as before."""
    keeps: float = 0.65
    """How much of a minute's deviation the next one keeps."""
    wanders: float = 0.2
    """Standard deviation of the logarithm of the error rate."""
    daily: float = 0.0
    """By what share of its mean the load rises and falls over a day."""
    hour: float = 0.0

    def readings(self) -> Readings:
        rng, begin = self.rng, -BASELINE
        errors, traffic, latency, cpu, memory = (
            self._wandering(spread) for spread in (self.wanders, 0.1, rng.uniform(0.1, 0.3), 3.0, 1.0)
        )
        series: dict[str, dict[float, float]] = {}
        for minute in range(begin, DEPLOYING + BAKING):
            at = CHANGED_AT + minute * MINUTE
            load = 1 + self.daily * cos(2 * pi * (self.hour + minute / 60) / 24)
            asked = poisson(rng, self.requests * load * exp(next(traffic)))
            usual = self.errors if minute < 0 or self.worse_errors is None else self.worse_errors
            values = {
                "requests": asked,
                "target_5xx": min(asked, poisson(rng, asked * usual * exp(next(errors) - self.wanders**2 / 2))),
                "response_time": 0.2 * (0.7 + 0.3 * load) * exp(next(latency)),
                "cpu": 40 * load + next(cpu),
                "memory": 50 + next(memory),
                "healthy": 2,
            }
            for name, value in values.items():
                series.setdefault(name, {})[at] = value
        return Readings(SERVICE, series)

    def _wandering(self, spread: float) -> Iterator[float]:
        """Yield an autoregressive series of order 1 with this standard deviation."""
        value = self.rng.gauss(0, spread)
        while True:
            yield value
            value = self.keeps * value + self.rng.gauss(0, spread * sqrt(1 - self.keeps**2))


def poisson(rng: Random, mean: float) -> float:
    """Return how many of independent events happen: counted one by one, or as a normal variable where they are many."""
    if mean > 200:
        return max(0.0, round(rng.gauss(mean, sqrt(mean))))
    count, left = -1, mean
    while left >= 0:
        left -= rng.expovariate(1)
        count += 1
    return float(count)


def healthy(rng: Random, daily: float) -> Service:
    """Return a service of any size, at any hour, with usual noise."""
    return Service(
        rng,
        requests=exp(rng.uniform(3.4, 6.2)),
        errors=exp(rng.uniform(-6.2, -3.0)),
        keeps=rng.uniform(0.5, 0.8),
        daily=daily,
        hour=rng.uniform(0, 24),
    )


def failed_after(readings: Readings, policy: Worsening) -> dict[str, int]:
    """Return after how many minutes of baking each gate failed first, as a run would have seen it."""
    asked_at = CHANGED_AT + DEPLOYING * MINUTE
    failed: dict[str, int] = {}
    for minutes in range(EVERY, BAKING + 1, EVERY):
        now = asked_at + minutes * MINUTE
        for gate in compared_gates(
            readings, policy, Span(CHANGED_AT, asked_at, asked_at + BAKING * MINUTE, now), rest_is_done=False
        ):
            if gate.verdict is Verdict.FAIL:
                failed.setdefault(gate.name, minutes)
    return failed


@dataclass
class Tally:
    """How often each gate has failed."""

    series: int = 0
    gates: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    """Series of which any gate failed."""


def tally(services: Iterator[Service], policy: Worsening) -> Tally:
    """Compare each service with itself."""
    found = Tally()
    for service in services:
        failed = failed_after(service.readings(), policy)
        found.series += 1
        found.runs += bool(failed)
        found.gates.update(failed.keys())
    return found


def false_alarms(series: int, seed: int, policy: Worsening, daily: float) -> Tally:
    """Return how often the gates failed on healthy services; ``daily`` as in ``Service``."""
    return tally((healthy(Random(f"{seed}:{number}"), daily) for number in range(series)), policy)  # noqa: S311


def rises(series: int, seed: int, wanders: float) -> Tally:
    """Return how often an error rate that goes from 2 to 4 % at 100 requests a minute was found."""
    rngs = (Random(f"{seed}:{number}") for number in range(series))  # noqa: S311
    return tally((Service(rng, worse_errors=0.04, wanders=wanders) for rng in rngs), Worsening())


def bound(series: int, alpha: float) -> int:
    """Return what the number of false alarms exceeds with a chance of at most 1 %, if each has the chance ``alpha``."""
    term = below = (1 - alpha) ** series
    count = 0
    while below < 0.99:
        count += 1
        term *= (series - count + 1) / count * alpha / (1 - alpha)
        below += term
    return count


def main() -> None:
    series, seed = (int(given) for given in (*sys.argv[1:], *("1000", "1")[len(sys.argv) - 1 :]))
    alpha = Worsening().alpha
    print(f"{series} healthy services, alpha {alpha:g}: at most {bound(series, alpha)} false alarms of each gate")
    for title, policy, daily in (
        ("what is proven counts, level load", ANY_RISE, 0.0),
        ("as by default, level load", Worsening(), 0.0),
        ("as by default, load that follows the day by half", Worsening(), 0.5),
    ):
        found = false_alarms(series, seed, policy, daily)
        each = ", ".join(f"{gate.removesuffix('_compared')} {count}" for gate, count in sorted(found.gates.items()))
        print(f"  {title}: {each or 'none'}; runs with any: {found.runs}")
    for wanders in (0.0, 0.2, 0.3):
        caught = rises(series, seed, wanders)
        share = caught.gates["error_rate_compared"] / series
        print(f"  errors from 2 to 4 %, wandering by {wanders:.0%}: found within {BAKING} minutes in {share:.1%}")


if __name__ == "__main__":
    main()
