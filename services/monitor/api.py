"""HTTP in: metrics, dashboards and alarms of a target."""

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from math import ceil
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, ConfigDict

from contracts.base import Name, Target, caused_id
from services._chassis.clock import Clock, moment
from services._chassis.http import Problem
from services._chassis.store import Store
from services._chassis.transition import Job, decided
from services.monitor.domain.metrics import Dimensions, Readings, metrics_of, own_name
from services.monitor.domain.operation import Operation, Part, record_of
from services.monitor.domain.rules import RuleState
from services.monitor.domain.watch import Watch, watch_key
from services.monitor.handlers import OPERATION
from services.monitor.ports import Dashboards, Metrics, NotFound, Services, Unavailable

PREFIX = "/monitoring"
POINTS = 1440
"""Of one series at most: a day of minutes."""

IdempotencyKey = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=255)]
HoursBack = Annotated[int, Query(ge=1, le=336, description="Hours before now; at most 14 days.")]


class AlertsSetup(BaseModel):
    model_config = ConfigDict(extra="forbid")

    cluster_name: Name
    service_name: Name


class Accepted(BaseModel):
    operation_id: str
    url: str


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
    find_target: Callable[[str, str], Target],
    services: Services,
    metrics: Metrics,
    dashboards: Dashboards,
) -> APIRouter:
    """``find_target`` completes cluster and service with account and region."""
    router = APIRouter(prefix=PREFIX, tags=["monitor"])

    async def begin(target: Target, parts: tuple[Part, ...], key: str | None, response: Response) -> Accepted:
        """Start a set-up. The same key for the same target and parts is the same operation."""
        operation_id = caused_id(key, f"set-up:{target}:{','.join(parts)}") if key else str(uuid.uuid4())
        body = Operation(operation_id=operation_id, target=target, parts=parts).model_dump_json().encode()
        transition = decided(jobs=(Job(operation_id, OPERATION, body),), records={record_of(operation_id): body})
        await store.apply(transition, cause=f"operation:{operation_id}")
        url = f"/api/v1{PREFIX}/operations/{operation_id}"
        response.headers["Location"] = url
        return Accepted(operation_id=operation_id, url=url)

    @router.get("/dashboard/{cluster_name}/{service_name}")
    async def dashboard(cluster_name: Name, service_name: Name) -> DashboardAnswer:
        """The target's dashboard in CloudWatch, and where to look at it."""
        target = find_target(cluster_name, service_name)
        with _told():
            body = await dashboards.body(cluster_name, service_name)
        name = own_name(cluster_name, service_name)
        if body is None:
            raise Problem(404, "No dashboard yet", "POST to the same URL creates it")
        console = f"https://{target.region}.console.aws.amazon.com/cloudwatch/home?region={target.region}"
        return DashboardAnswer(name=name, url=f"{console}#dashboards/dashboard/{name}", body=json.loads(body))

    @router.post("/dashboard/{cluster_name}/{service_name}", status_code=202)
    async def create_dashboard(
        cluster_name: Name, service_name: Name, response: Response, key: IdempotencyKey = None
    ) -> Accepted:
        """Create or replace the target's dashboard."""
        return await begin(find_target(cluster_name, service_name), ("dashboard",), key, response)

    @router.post("/alerts/setup", status_code=202)
    async def set_up_alerts(request: AlertsSetup, response: Response, key: IdempotencyKey = None) -> Accepted:
        """Create or replace the target's alarms, and watch it from now on."""
        return await begin(find_target(request.cluster_name, request.service_name), ("alarms",), key, response)

    @router.get("/operations/{operation_id}")
    async def operation(operation_id: str) -> Operation:
        """How a set-up goes, and its result once it has finished."""
        record = await store.record(record_of(operation_id))
        if record is None:
            raise Problem(404, "No such operation", "no set-up has this id; it may be older than 31 days")
        return Operation.model_validate_json(record)

    @router.get("/metrics/{cluster_name}/{service_name}")
    async def read_metrics(cluster_name: Name, service_name: Name, hours_back: HoursBack = 24) -> MetricsAnswer:
        """The target's metrics, and its rules as they were judged last."""
        target = find_target(cluster_name, service_name)
        state = await store.load(watch_key(target))
        watch = Watch.from_bytes(state, target=target)
        now, period = clock.now(), period_of(hours_back)
        with _told():
            dimensions = await services.dimensions(target, watch.dimensions)
            readings = await metrics.read(dimensions, now - hours_back * 3600, now, period)
        return MetricsAnswer(
            target=str(target),
            period_seconds=period,
            series=_shown(dimensions, readings),
            rules=watch.latest,
            judged_at=moment(watch.collected_at) if watch.collected_at else None,
        )

    return router


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except NotFound as error:
        raise Problem(404, "No such service", str(error)) from error
    except Unavailable as error:
        raise Problem(502, "AWS did not answer", str(error)) from error


def period_of(hours: int) -> int:
    """Return the shortest period, in seconds, that shows ``hours`` in at most ``POINTS`` points."""
    return ceil(hours * 60 / POINTS) * 60


def _shown(dimensions: Dimensions, readings: Readings) -> dict[str, Shown]:
    return {
        metric.id: Shown(
            metric=metric.name,
            stat=metric.stat,
            unit=metric.unit.strip(),
            points=[(moment(at), value) for at, value in sorted(readings.of(metric).items())],
        )
        for metric in metrics_of(dimensions)
    }
