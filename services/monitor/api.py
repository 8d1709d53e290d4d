"""HTTP in: metrics, dashboards and alarms of a target."""

import json
from collections.abc import Callable
from datetime import datetime
from math import ceil
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from contracts.base import Name, Target
from services._aws.existing import Existing
from services._chassis.clock import Clock, moment
from services._chassis.http import Problem, named_target
from services._chassis.operations import Accepted, IdempotencyKey, Operations, Requested, request_id
from services._chassis.store import Store
from services.monitor.domain.metrics import Readings, WatchedService, metrics_of, own_name
from services.monitor.domain.operation import Part, SetUp
from services.monitor.domain.rules import RuleState
from services.monitor.domain.watch import Watch, watch_key
from services.monitor.handlers import OPERATION
from services.monitor.ports import Dashboards, Metrics, NotFound, Services

PREFIX = "/monitoring"
POINTS = 1440
"""Of one series at most: a day of minutes."""

HoursBack = Annotated[int, Query(ge=1, le=336, description="Hours before now; at most 14 days.")]


class AlertsSetup(Requested):
    """Without names the configured target is meant."""

    cluster_name: Name | None = None
    service_name: Name | None = None


class Shown(BaseModel):
    """One metric; points are (when a period begins, value)."""

    metric: str
    stat: str
    unit: str
    points: list[tuple[datetime, float]]


class MetricsAnswer(BaseModel):
    target: str
    period_seconds: int
    series: dict[str, Shown]
    rules: tuple[RuleState, ...]
    """As they were judged last; empty while nobody watches the target."""
    judged_at: datetime | None


class DashboardAnswer(BaseModel):
    name: str
    url: str
    body: dict[str, Any]
    """As CloudWatch keeps it."""


def create_router(
    store: Store,
    clock: Clock,
    find_target: Callable[[str | None, str | None], Target],
    services: Services,
    metrics: Metrics,
    dashboards: Dashboards,
    existing: Existing,
) -> APIRouter:
    """``find_target`` completes cluster and service with account and region."""
    router = APIRouter(prefix=PREFIX, tags=["monitor"])

    operations = Operations(store, clock, PREFIX)

    async def begin(target: Target, part: Part, asked: Requested, key: str | None, response: Response) -> Accepted:
        """Start a set-up. The same key for the same target and part is the same operation."""
        await existing(target)
        set_up = SetUp(
            operation_id=request_id(target, f"set-up-{part}", key),
            target=target,
            parts=(part,),
            started_at=operations.now,
            actor=asked.actor,
            reason=asked.reason,
        )
        return operations.accepted(response, (await operations.begin(set_up, OPERATION)).operation_id)

    @router.get("/dashboard/{cluster_name}/{service_name}")
    async def dashboard(cluster_name: Name, service_name: Name) -> DashboardAnswer:
        """The target's dashboard in CloudWatch, and where to look at it."""
        target = find_target(cluster_name, service_name)
        body = await dashboards.body(target)
        name = own_name(cluster_name, service_name)
        if body is None:
            await existing(target)
            raise Problem(404, "No dashboard yet", "POST to the same URL creates it.")
        console = f"https://{target.region}.console.aws.amazon.com/cloudwatch/home?region={target.region}"
        return DashboardAnswer(name=name, url=f"{console}#dashboards/dashboard/{name}", body=json.loads(body))

    @router.post("/dashboard/{cluster_name}/{service_name}", status_code=202)
    async def create_dashboard(
        cluster_name: Name,
        service_name: Name,
        response: Response,
        request: Requested | None = None,
        key: IdempotencyKey = None,
    ) -> Accepted:
        """Create or replace the target's dashboard."""
        asked = request or Requested()
        return await begin(find_target(cluster_name, service_name), "dashboard", asked, key, response)

    @router.post("/alerts/setup", status_code=202)
    async def set_up_alerts(
        response: Response, request: AlertsSetup | None = None, key: IdempotencyKey = None
    ) -> Accepted:
        """Create or replace the target's alarms, and watch it from now on."""
        asked = request or AlertsSetup()
        if (asked.cluster_name is None) != (asked.service_name is None):
            raise Problem(422, "Which target?", "Name both cluster_name and service_name, or neither.")
        target = named_target(find_target, asked.cluster_name, asked.service_name)
        return await begin(target, "alarms", asked, key, response)

    operations.add_to(router)

    @router.get("/metrics/{cluster_name}/{service_name}")
    async def read_metrics(cluster_name: Name, service_name: Name, hours_back: HoursBack = 24) -> MetricsAnswer:
        """The target's metrics, and its rules as they were judged last."""
        target = find_target(cluster_name, service_name)
        state = await store.load(watch_key(target))
        watch = Watch.from_bytes(state, target=target)
        now, period = clock.now(), period_of(hours_back)
        try:
            service = await services.watched(target, watch.dimensions)
        except NotFound as error:
            await existing(target)
            raise Problem(404, "No such service", f"{error}.") from error
        readings = await metrics.read(target, service, now - hours_back * 3600, now, period)
        return MetricsAnswer(
            target=str(target),
            period_seconds=period,
            series=_shown(service, readings),
            rules=watch.latest,
            judged_at=moment(watch.collected_at) if watch.collected_at else None,
        )

    return router


def period_of(hours: int) -> int:
    """Return the shortest period, in seconds, that shows ``hours`` in at most ``POINTS`` points."""
    return ceil(hours * 60 / POINTS) * 60


def _shown(service: WatchedService, readings: Readings) -> dict[str, Shown]:
    return {
        metric.id: Shown(
            metric=metric.name,
            stat=metric.stat,
            unit=metric.unit.strip(),
            points=[(moment(at), value) for at, value in sorted(readings.of(metric).items())],
        )
        for metric in metrics_of(service)
    }
