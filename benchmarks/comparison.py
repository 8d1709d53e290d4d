"""How often the comparison with the version before is wrong about healthy services, and how soon it finds a rise.

Requests come by Poisson's law, about a mean that follows the hours of a day. Error rate, 95th percentile, CPU, memory
and traffic wander: each minute keeps 50 to 80 % of the last one's deviation. Where versions warm up, errors, seconds
and CPU are higher at first, after every deployment alike. The looks are those of a run that bakes for a quarter of an
hour, or, where it says so, of one that ends as soon as it can. `python -m benchmarks.comparison [series] [seed]`
"""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from math import cos, exp, pi, sqrt
from random import Random

from contracts.gates import Verdict
from contracts.policy import Worsening
from services.monitor.domain.compared import compared_gates
from services.monitor.domain.comparison.span import BASELINE, GoodStart, Span
from services.monitor.domain.comparison.spending import EVERY
from services.monitor.domain.metrics import MINUTE, Readings
from services.monitor.domain.watched_service import WatchedService

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
USUAL = Worsening()


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
    warm_up: float = 0.0
    """By what share of the usual errors, seconds and CPU are higher when a version begins to serve."""
    cold: float = 6.0
    """After so many minutes of serving two thirds of that are gone."""
    starts: int = 0
    """How many good deployments there were before."""

    def started(self) -> tuple[GoodStart, ...]:
        """Return what the last good deployments showed, each under noise of its own; the load was the same."""
        return tuple(GoodStart(CHANGED_AT, replace(self, worse_errors=None).readings()) for _ in range(self.starts))

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
            warm = 1 + self.warm_up * exp(-max(minute - DEPLOYING, 0) / self.cold) if minute >= 0 else 1.0
            usual = warm * (self.errors if minute < 0 or self.worse_errors is None else self.worse_errors)
            values = {
                "requests": asked,
                "target_5xx": min(asked, poisson(rng, asked * usual * exp(next(errors) - self.wanders**2 / 2))),
                "response_time": 0.2 * (0.7 + 0.3 * load) * exp(next(latency)) * warm,
                "cpu": 40 * load * warm + next(cpu),
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


def healthy(rng: Random, daily: float, *, warms_up: bool = False, starts: int = 0) -> Service:
    """Return a service of any size, at any hour, with usual noise; it may warm up, by one to four times the usual."""
    return Service(
        rng,
        requests=exp(rng.uniform(3.4, 6.2)),
        errors=exp(rng.uniform(-6.2, -3.0)),
        keeps=rng.uniform(0.5, 0.8),
        daily=daily,
        hour=rng.uniform(0, 24),
        warm_up=rng.uniform(1, 4) if warms_up else 0.0,
        cold=rng.uniform(3, 12),
        starts=starts,
    )


def failed_after(service: Service, policy: Worsening, *, bakes: bool = True) -> tuple[dict[str, int], int]:
    """Return after how many minutes each gate failed first, as a run would have seen it, and when the run ended.

    ``bakes``: after the whole of ``BAKING``. Else a run ends two minutes after the new version has taken over, unless a
    gate needs more minutes.
    """
    asked_at, readings, starts = CHANGED_AT + DEPLOYING * MINUTE, service.readings(), service.started()
    failed: dict[str, int] = {}
    minutes = 0
    for minutes in range(EVERY, BAKING + 1, EVERY) if bakes else range(2, BAKING + 1):
        span = Span(CHANGED_AT, asked_at, asked_at + BAKING * MINUTE, asked_at + minutes * MINUTE)
        gates = compared_gates(readings, policy, span, rest_is_done=not bakes, starts=starts)
        for gate in gates:
            if gate.verdict is Verdict.FAIL:
                failed.setdefault(gate.name, minutes)
        if not bakes and (failed or all(gate.verdict is Verdict.PASS for gate in gates)):
            break
    return failed, minutes


@dataclass
class Tally:
    """How often each gate has failed."""

    series: int = 0
    gates: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    """Series of which any gate failed."""
    minutes: int = 0
    """How long all runs together took."""


def tally(services: Iterable[Service], policy: Worsening, *, bakes: bool = True) -> Tally:
    """Compare each service with itself."""
    found = Tally()
    for service in services:
        failed, minutes = failed_after(service, policy, bakes=bakes)
        found.series += 1
        found.minutes += minutes
        found.runs += bool(failed)
        found.gates.update(failed.keys())
    return found


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What healthy services have in common."""

    policy: Worsening = USUAL
    daily: float = 0.0
    """As in ``Service``."""
    warms_up: bool = False
    starts: int = 0
    bakes: bool = True


def false_alarms(series: int, seed: int, around: Surroundings) -> Tally:
    """Return how often the gates failed on healthy services."""
    rngs = (Random(f"{seed}:{number}") for number in range(series))  # noqa: S311
    services = (healthy(rng, around.daily, warms_up=around.warms_up, starts=around.starts) for rng in rngs)
    return tally(services, around.policy, bakes=around.bakes)


def rises(series: int, seed: int, wanders: float, starts: int = 0) -> Tally:
    """Return how often an error rate that goes from 2 to 4 % at 100 requests a minute was found."""
    rngs = (Random(f"{seed}:{number}") for number in range(series))  # noqa: S311
    return tally((Service(rng, worse_errors=0.04, wanders=wanders, starts=starts) for rng in rngs), Worsening())


def bound(series: int, alpha: float) -> int:
    """Return what the number of false alarms exceeds with a chance of at most 1 %, if each has the chance ``alpha``."""
    term = below = (1 - alpha) ** series
    count = 0
    while below < 0.99:
        count += 1
        term *= (series - count + 1) / count * alpha / (1 - alpha)
        below += term
    return count


HEALTHY = {
    "what is proven counts, level load": Surroundings(ANY_RISE),
    "as by default, level load": Surroundings(),
    "as by default, load that follows the day by half": Surroundings(daily=0.5),
    "as by default, ends as soon as it can": Surroundings(bakes=False),
    "they warm up, no start is known": Surroundings(warms_up=True),
    "they warm up, one start is known": Surroundings(warms_up=True, starts=1),
    "they warm up, one start is known, what is proven counts": Surroundings(ANY_RISE, warms_up=True, starts=1),
    "they warm up, three starts are known, what is proven counts": Surroundings(ANY_RISE, warms_up=True, starts=3),
    "they warm up, one start is known, ends as soon as it can": Surroundings(warms_up=True, starts=1, bakes=False),
}


def main() -> None:
    series, seed = (int(given) for given in (*sys.argv[1:], *("1000", "1")[len(sys.argv) - 1 :]))
    alpha = Worsening().alpha
    print(f"{series} healthy services, alpha {alpha:g}: at most {bound(series, alpha)} false alarms of each gate")
    for title, around in HEALTHY.items():
        found = false_alarms(series, seed, around)
        each = ", ".join(f"{gate.removesuffix('_compared')} {count}" for gate, count in sorted(found.gates.items()))
        lasted = f"{found.minutes / series:.1f} min each"
        print(f"  {title}: {each or 'none'}; runs with any: {found.runs}; {lasted}")
    for starts in (0, 1, 3, 5):
        for wanders in (0.0, 0.2, 0.3):
            caught = rises(series, seed, wanders, starts)
            share = caught.gates["error_rate_compared"] / series
            known = f"starts known: {starts}"
            print(f"  errors from 2 to 4 %, wandering by {wanders:.0%}, {known}: found in {BAKING} min in {share:.1%}")


if __name__ == "__main__":
    main()
