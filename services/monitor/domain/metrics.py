"""Which metrics are read, and what they show minute by minute.

A series is ``{begin of a minute, epoch seconds: value}``. Load balancers report only what happened: a minute without
requests has no point of RequestCount, and one without errors has no point of the 5xx counts ("CloudWatch metrics for
your Application Load Balancer").
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import floor
from typing import Literal

from contracts import own_errors
from contracts.limits import error_rate
from services.monitor.domain.rollout import gap_of_interruption
from services.monitor.domain.watched_service import WatchedService

MINUTE = own_errors.MINUTE
LATE = own_errors.LATE
STALE = 900.0
"""Seconds after which the newest point no longer shows how late CloudWatch's points are at present."""
STARTING = 300.0
"""Seconds after its creation from which on a service without points counts as down."""
LEAST_SHARE = 0.1
"""A target group with a smaller share of a minute's requests hardly moves the 95th percentile of all of them."""


@dataclass(frozen=True, slots=True)
class StoppedTask:
    """A task that has stopped within the last hour or so."""

    deployment_id: str
    stopped_at: float
    """Epoch seconds."""
    why: str
    """One phrase."""
    by_itself: bool = False
    """Whether it had run and its own end, or its failing health check, stopped it: not replaced, not scaled in."""
    taken_back: bool = False
    """Whether AWS needed its capacity, its host was ill, or somebody has called StopTask."""


Series = Mapping[float, float]
Scope = Literal["service", "group", "shared group", "balancer", "application"]
"""The owner of a metric's dimensions: ECS service, target group with its load balancer, load balancer, application.
``shared group`` is a target group behind a load balancer that others use as well: no other has the metric."""


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
"""It counts requests for which a target was chosen, also those that the target did not answer."""
TARGET_5XX = Metric("target_5xx", "HTTPCode_Target_5XX_Count", "Sum", "group")
BALANCER_5XX = Metric("elb_5xx", "HTTPCode_ELB_5XX_Count", "Sum", "balancer")
"""It has no target group and covers the whole load balancer. Where others use that as well, readings hold those of its
errors that are the service's (``sharing.py``), and the requests that it answered with one are no longer in REQUESTS."""
TARGET_2XX = Metric("target_2xx", "HTTPCode_Target_2XX_Count", "Sum", "shared group")
TARGET_3XX = Metric("target_3xx", "HTTPCode_Target_3XX_Count", "Sum", "shared group")
TARGET_4XX = Metric("target_4xx", "HTTPCode_Target_4XX_Count", "Sum", "shared group")
RESPONSE_TIME = Metric("response_time", "TargetResponseTime", "p95", "group", " s")
HEALTHY = Metric("healthy", "HealthyHostCount", "Maximum", "group")
"""The maximum, since a new node of the load balancer that sees no healthy target yet is no outage."""
DATABASE_ERRORS = Metric("database_errors", "DatabaseConnectionErrors", "Sum", "application")

_ALWAYS = (CPU, MEMORY, DATABASE_ERRORS)
ANSWERS = (TARGET_2XX, TARGET_3XX, TARGET_4XX)
"""With TARGET_5XX all answers of targets; they are read only where others use the load balancer as well."""
_BALANCED = (REQUESTS, TARGET_5XX, BALANCER_5XX, RESPONSE_TIME, HEALTHY)
_COUNTED = (REQUESTS, TARGET_5XX, BALANCER_5XX)
_FROM_BALANCER = (HEALTHY, REQUESTS, BALANCER_5XX, RESPONSE_TIME)


def metrics_of(service: WatchedService) -> tuple[Metric, ...]:
    """Return the metrics that are read for a target: eight, or four where it has no load balancer."""
    return (*_ALWAYS, *_BALANCED) if service.balanced else (*_ALWAYS, RUNNING)


@dataclass(frozen=True, slots=True)
class Readings:
    """One look at a target."""

    service: WatchedService
    series: Mapping[str, Series] = field(default_factory=dict)
    """Series by ``Metric.id``; a metric that is absent has no point."""
    stopped: tuple[StoppedTask, ...] | None = None
    """The tasks that have stopped lately, the oldest first; None where ECS was not asked or did not list them."""

    def of(self, metric: Metric) -> Series:
        return self.series.get(metric.id, {})

    @property
    def requests(self) -> Series:
        """All requests of each minute: those that reached a target, and the load balancer's own errors."""
        return added(self.of(REQUESTS), self.of(BALANCER_5XX))

    def counts(self, minutes: Iterable[float]) -> tuple[float, float, float]:
        """Return the requests that reached a target, the targets' 5xx and the load balancer's 5xx over ``minutes``."""
        taken = tuple(minutes)
        sums = (sum(self.of(metric).get(minute, 0.0) for minute in taken) for metric in _COUNTED)
        requests, target_5xx, balancer_5xx = sums
        return requests, target_5xx, balancer_5xx

    def requests_in(self, minutes: Iterable[float]) -> float:
        """Return the requests of ``minutes``, as ``requests`` has them."""
        asked, _, balancer_5xx = self.counts(minutes)
        return asked + balancer_5xx

    @property
    def error_rate(self) -> Series:
        """The error rate, per cent, of each minute that has requests; a count without a point is 0."""
        rates = {minute: error_rate(*self.counts((minute,))) for minute in self.requests}
        return {minute: rate for minute, rate in rates.items() if rate is not None}

    @property
    def healthy(self) -> Series:
        """Healthy targets of each minute, or running tasks where there is no load balancer."""
        return self.of(HEALTHY if self.service.balanced else RUNNING)

    @property
    def reported_until(self) -> float:
        """The end of the last minute for which the load balancer has reported any metric; 0 where there is none."""
        return max((minute + MINUTE for metric in _FROM_BALANCER for minute in self.of(metric)), default=0.0)

    @property
    def known_until(self) -> float:
        """The end of the newest minute that the load balancer has reported, or that of any metric without one."""
        reported = max((minute + MINUTE for series in self.series.values() for minute in series), default=0.0)
        return self.reported_until if self.service.balanced else reported

    @property
    def doubts_routes(self) -> bool:
        """Whether errors of a load balancer that seems to be the service's alone are newer than that knowledge."""
        alone = any(not group.shared for group in self.service.groups)
        read_at = self.service.routed_at
        newest = max(self.of(BALANCER_5XX), default=0.0) + MINUTE
        return alone and read_at is not None and newest > read_at

    def reported_since(self, moment: float) -> bool:
        """Whether any metric has a point at or after ``moment``."""
        return any(minute >= moment for series in self.series.values() for minute in series)


def with_stopped(readings: Readings, stopped: tuple[StoppedTask, ...] | None) -> Readings:
    """Return the readings with the tasks that have stopped, and with the gap that AWS or a person makes by that."""
    service = readings.service
    moments = tuple(task.stopped_at for task in stopped or () if task.taken_back)
    gap = gap_of_interruption(moments, service.wanted, service.start_seconds)
    if gap is not None and (service.gap is None or service.gap.ends < gap.ends):
        service = service.model_copy(update={"gap": gap})
    return replace(readings, service=service, stopped=stopped)


def settled(series: Series, now: float) -> float:
    """Return the moment up to which a series can be judged at ``now``: the end of a full minute.

    That is the end of its newest full minute with a point, since points come late, but no earlier than ``LATE`` seconds
    ago, since a point that has not come by then is missing.
    """
    present = floor(now / MINUTE) * MINUTE
    newest = max((minute + MINUTE for minute in series if minute + MINUTE <= present), default=0.0)
    return max(newest, floor((now - LATE) / MINUTE) * MINUTE)


def minutes_before(end: float, count: int) -> tuple[float, ...]:
    """Return the begins of the ``count`` minutes before ``end``, the oldest first."""
    return tuple(end - MINUTE * back for back in range(count, 0, -1))


def added(*series: Series) -> Series:
    """Return the sum of series, in time order; a minute without a point in some of them has those of the others."""
    total: dict[float, float] = {}
    for points in series:
        for minute, value in points.items():
            total[minute] = total.get(minute, 0.0) + value
    return dict(sorted(total.items()))
