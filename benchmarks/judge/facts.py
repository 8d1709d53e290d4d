"""The numbers of a cell, from which its right answer follows: two versions, the service, and what surrounds them."""

from dataclasses import dataclass
from math import exp, inf, log
from statistics import NormalDist

SLOWEST = 0.05
"""The share of requests that a 95th percentile leaves above itself."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What users get from some moment on."""

    after: float
    """Seconds since the tasks run."""
    errors: float
    """Share of users' requests that end in a 5xx."""
    latency: float
    """Median seconds of an answer."""
    spread: float
    """Standard deviation of the logarithm of the answer's time."""

    def slower_than(self, seconds: float) -> float:
        """Return the share of requests that take longer than ``seconds``."""
        return 1 - NormalDist(log(self.latency), self.spread).cdf(log(seconds))

    @property
    def p95(self) -> float:
        return self.latency * exp(self.spread * NormalDist().inv_cdf(1 - SLOWEST))


@dataclass(frozen=True, slots=True)
class Version:
    """One version, in the numbers that decide. Times are seconds since its tasks run."""

    stages: tuple[Stage, ...]
    """What users get, the first stage from 0 on."""
    ready: float = 10.0
    """When it first answers; infinity where it never does."""
    passes_health_check: bool = True
    fits: bool = True
    """Whether the image runs on what the task definition asks for, which anybody can look up before the change."""
    ends: float = inf
    """When its tasks end by themselves; infinity where they stay up."""
    memory: float = 45.0
    """Per cent of what the task was given, at its start."""
    memory_growth: float = 0.0
    """Per cent a minute."""
    shown_to_tests: bool = True
    """Whether the requests of a test meet what users meet."""


@dataclass(frozen=True, slots=True)
class Service:
    """How the service is, as far as it decides what can be seen of a version."""

    tasks: int = 3
    """How many are wanted."""
    patience: float = 45.0
    """Seconds for which ECS lets a task that runs fail its health check; infinity where nothing checks it."""
    proven_after: float = 20.0
    """Seconds of good answers after which a task counts as healthy."""
    counted: bool = True
    """Whether somebody counts users' requests, their errors and their times: a load balancer that understands HTTP."""
    reachable: bool = True
    """Whether a test can reach the application over HTTP."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    requests: float = 200.0
    """Users' requests a minute."""
    watch: float = 15.0
    """Minutes for which the run watches at least, once the new version serves."""
    late: float = 60.0
    """Seconds after which CloudWatch has a minute's metrics."""
    alarm_fires: bool = False
    """Whether an alarm of the service fires before the change."""


@dataclass(frozen=True, slots=True)
class Cell:
    before: Version
    after: Version
    service: Service = Service()
    around: Surroundings = Surroundings()
