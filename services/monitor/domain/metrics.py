"""Which metrics are read, and what they say minute by minute.

A series is ``{when a minute begins, epoch seconds: its value}``. Load balancers count only what happened: without
traffic there is no RequestCount, and no 5xx is no point (CloudWatch metrics for your Application Load Balancer).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from math import floor
from typing import Literal

from contracts.base import Contract
from contracts.limits import error_rate

MINUTE = 60.0
LATE = 180.0
"""Seconds after which a point that is not there is missing; load balancers' come up to two or three minutes late."""
STALE = 900.0
"""Seconds after which what was heard last says nothing of the present."""
STARTING = 300.0
"""Seconds that a new service has before its silence means that it is down."""

Series = Mapping[float, float]
Scope = Literal["service", "group", "balancer", "application"]
"""Whose dimensions a metric has: ECS service, target group with its load balancer, load balancer, application."""


class WatchedService(Contract):
    """What CloudWatch calls the parts of a target, and what ECS was told to run."""

    cluster: str
    service: str
    load_balancer: str | None = None
    """``app/<name>/<id>``, as in the dimension; None: nothing balances its load."""
    target_group: str | None = None
    """``targetgroup/<name>/<id>``."""
    wanted: int
    """The desired count."""
    running: int
    """How many tasks run, as ECS says at the time of the look."""
    created_at: float
    """Product time, epoch seconds."""

    @property
    def own_name(self) -> str:
        """What our dashboard is called and our alarms begin with; CloudWatch takes 255 characters."""
        return own_name(self.cluster, self.service)

    @property
    def balanced(self) -> bool:
        return self.load_balancer is not None and self.target_group is not None


def own_name(cluster: str, service: str) -> str:
    """Return ``surefoot-<cluster>-<service>``, in at most 200 characters."""
    name = f"surefoot-{cluster}-{service}"
    return name if len(name) <= 200 else f"{name[:190]}-{sha256(name.encode()).hexdigest()[:9]}"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of a target. ``id`` names it everywhere, also in queries."""

    id: str
    name: str
    stat: str
    scope: Scope
    unit: str = ""


CPU = Metric("cpu", "CPUUtilization", "Average", "service", "%")
MEMORY = Metric("memory", "MemoryUtilization", "Average", "service", "%")
RUNNING = Metric("running", "CPUUtilization", "SampleCount", "service")
"""Each running task sends one sample a minute: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/
cloudwatch-metrics.html#cw_running_task_count."""
REQUESTS = Metric("requests", "RequestCount", "Sum", "group")
TARGET_5XX = Metric("target_5xx", "HTTPCode_Target_5XX_Count", "Sum", "group")
BALANCER_5XX = Metric("elb_5xx", "HTTPCode_ELB_5XX_Count", "Sum", "balancer")
"""Of the whole load balancer: it counts requests that reached no target."""
RESPONSE_TIME = Metric("response_time", "TargetResponseTime", "p95", "group", " s")
HEALTHY = Metric("healthy", "HealthyHostCount", "Maximum", "group")
"""Maximum: one node of the load balancer that has just come up and sees nobody yet is no outage."""
DATABASE_ERRORS = Metric("database_errors", "DatabaseConnectionErrors", "Sum", "application")

_ALWAYS = (CPU, MEMORY, DATABASE_ERRORS)
_BALANCED = (REQUESTS, TARGET_5XX, BALANCER_5XX, RESPONSE_TIME, HEALTHY)
_COUNTED = (REQUESTS, TARGET_5XX, BALANCER_5XX)
_HEARD = (HEALTHY, REQUESTS, BALANCER_5XX, RESPONSE_TIME)


def metrics_of(service: WatchedService) -> tuple[Metric, ...]:
    """Return what is read of a target: eight metrics, four where nothing balances its load."""
    return (*_ALWAYS, *_BALANCED) if service.balanced else (*_ALWAYS, RUNNING)


@dataclass(frozen=True, slots=True)
class Readings:
    """One look at a target."""

    service: WatchedService
    series: Mapping[str, Series] = field(default_factory=dict)
    """By ``Metric.id``; one that is absent has no point."""

    def of(self, metric: Metric) -> Series:
        return self.series.get(metric.id, {})

    @property
    def requests(self) -> Series:
        """What reached the load balancer each minute, also what it had to answer itself."""
        return _added(self.of(REQUESTS), self.of(BALANCER_5XX))

    def counts(self, minutes: Iterable[float]) -> tuple[float, float, float]:
        """Return requests that reached a target, targets' 5xx and the load balancer's 5xx, over ``minutes``."""
        taken = tuple(minutes)
        sums = (sum(self.of(metric).get(minute, 0.0) for minute in taken) for metric in _COUNTED)
        requests, target_5xx, balancer_5xx = sums
        return requests, target_5xx, balancer_5xx

    @property
    def error_rate(self) -> Series:
        """Per cent, of the minutes in which there were requests; no point is no error."""
        rates = {minute: error_rate(*self.counts((minute,))) for minute in self.requests}
        return {minute: rate for minute, rate in rates.items() if rate is not None}

    @property
    def healthy(self) -> Series:
        """Healthy targets, or running tasks where nothing balances the load."""
        return self.of(HEALTHY if self.service.balanced else RUNNING)

    @property
    def heard_until(self) -> float:
        """The end of the last minute of which the load balancer has told anything; 0: never."""
        return max((minute + MINUTE for metric in _HEARD for minute in self.of(metric)), default=0.0)

    def heard_since(self, moment: float) -> bool:
        """Whether any metric has a point at or after ``moment``."""
        return any(minute >= moment for series in self.series.values() for minute in series)


def settled(series: Series, now: float) -> float:
    """Return until when a series can be judged at ``now``: the end of a full minute.

    That is the end of its newest full minute, since points come late; and at the latest ``LATE`` seconds ago, since
    what has not come by then is missing.
    """
    present = floor(now / MINUTE) * MINUTE
    newest = max((minute + MINUTE for minute in series if minute + MINUTE <= present), default=0.0)
    return max(newest, floor((now - LATE) / MINUTE) * MINUTE)


def minutes_before(end: float, count: int) -> tuple[float, ...]:
    """Return when the ``count`` minutes before ``end`` begin, the oldest first."""
    return tuple(end - MINUTE * back for back in range(count, 0, -1))


def _added(one: Series, other: Series) -> dict[float, float]:
    return {minute: one.get(minute, 0.0) + other.get(minute, 0.0) for minute in sorted({*one, *other})}
