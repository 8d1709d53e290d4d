"""HTTP in: metrics, dashboards and alarms of a target."""

import json
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel

from contracts.access import Role
from contracts.base import AccountId, Name, Region, Target
from contracts.cloudwatch_names import dashboard_name
from services._aws.existing import Existing
from services._chassis.access.permit import NowAsking, needs
from services._chassis.clock import Clock, moment
from services._chassis.http import Problem
from services._chassis.operations import Accepted, IdempotencyKey, Operations, Requested, request_id
from services._chassis.policies import Policies
from services._chassis.store import Store
from services._chassis.targets import Targets
from services.monitor.domain.metrics import Readings, metrics_of
from services.monitor.domain.operation import Part, SetUp
from services.monitor.domain.rules import RuleState
from services.monitor.domain.watch import Watch, watch_key
from services.monitor.domain.watched_service import WatchedService
from services.monitor.jobs.set_up import OPERATION
from services.monitor.ports import Dashboards, EcsServices, Metrics, NotFound

PREFIX = "/monitoring"
POINTS = 1440
"""The most points of one series: a day of minutes."""

HoursBack = Annotated[int, Query(ge=1, le=336, description="Hours before now; at most 14 days.")]


class AlertsSetup(Requested):
    """Without names the configured target is meant."""

    cluster_name: Name | None = None
    service_name: Name | None = None
    account: AccountId | None = None
    region: Region | None = None


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
    """The rules as they were judged last; empty while the target is not watched."""
    judged_at: datetime | None


class DashboardAnswer(BaseModel):
    name: str
    url: str
    body: dict[str, Any]
    """The dashboard's source, as CloudWatch keeps it."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What the routes do."""

    store: Store
    clock: Clock
    policies: Policies
    services: EcsServices
    metrics: Metrics
    dashboards: Dashboards
    existing: Existing

    @property
    def operations(self) -> Operations:
        return Operations(self.store, self.clock, PREFIX)

    async def dashboard(self, target: Target) -> DashboardAnswer:
        """Return the target's dashboard. Raise ``Problem`` where there is none."""
        body = await self.dashboards.body(target)
        if body is None:
            await self.existing(target)
            raise Problem(404, "No dashboard yet", "POST to the same URL creates it.")
        name = dashboard_name(target.cluster, target.service)
        console = f"https://{target.region}.console.aws.amazon.com/cloudwatch/home?region={target.region}"
        return DashboardAnswer(name=name, url=f"{console}#dashboards/dashboard/{name}", body=json.loads(body))

    async def set_up(self, target: Target, part: Part, asked: Requested, key: str | None) -> str:
        """Start a set-up and return its id. The same key for the same target and part is the same operation."""
        await self.existing(target)
        set_up = SetUp(
            operation_id=request_id(target, f"set-up-{part}", key),
            target=target,
            parts=(part,),
            started_at=self.operations.now,
            actor=asked.actor,
            reason=asked.reason,
        )
        return (await self.operations.begin(set_up, OPERATION, asked, key)).operation_id

    async def numbers(self, target: Target, hours_back: int) -> MetricsAnswer:
        """Read the metrics that the policy in force names. Raise ``Problem`` where there is no such service."""
        watch = await self.store.read(watch_key(target), Watch, target=target)
        now, period = self.clock.now(), period_of(hours_back)
        namespace = self.policies.of(target).monitoring.metrics_namespace
        try:
            service = await self.services.watched(target, watch.dimensions)
        except NotFound as error:
            await self.existing(target)
            raise Problem(404, "No such service", f"{error}.") from error
        readings = await self.metrics.read(target, service, namespace, now - hours_back * 3600, now, period)
        return MetricsAnswer(
            target=str(target),
            period_seconds=period,
            series=_shown(service, readings),
            rules=watch.latest,
            judged_at=moment(watch.collected_at) if watch.collected_at else None,
        )


def create_router(endpoints: Endpoints, targets: Targets) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix=PREFIX, tags=["monitor"])

    InPath = Annotated[Target, Depends(targets.in_path)]  # noqa: N806  a type

    @router.get("/dashboard/{cluster_name}/{service_name}", dependencies=[needs(Role.VIEWER)])
    async def dashboard(target: InPath) -> DashboardAnswer:
        """Show the target's dashboard in CloudWatch, and where to look at it."""
        return await endpoints.dashboard(target)

    @router.post("/dashboard/{cluster_name}/{service_name}", status_code=202, dependencies=[needs(Role.DEPLOYER)])
    async def create_dashboard(
        asking: NowAsking,
        target: InPath,
        response: Response,
        request: Requested | None = None,
        key: IdempotencyKey = None,
    ) -> Accepted:
        """Create or replace the target's dashboard."""
        operation_id = await endpoints.set_up(target, "dashboard", asking.by(request or Requested()), key)
        return endpoints.operations.accepted(response, operation_id)

    @router.post("/alerts/setup", status_code=202, dependencies=[needs(Role.DEPLOYER)])
    async def set_up_alerts(
        asking: NowAsking, response: Response, request: AlertsSetup | None = None, key: IdempotencyKey = None
    ) -> Accepted:
        """Create or replace the target's alarms, and watch it from now on."""
        asked = asking.by(request or AlertsSetup())
        target = targets.given_or_configured(
            asking, asked.cluster_name, asked.service_name, asked.account, asked.region
        )
        return endpoints.operations.accepted(response, await endpoints.set_up(target, "alarms", asked, key))

    @router.get("/metrics/{cluster_name}/{service_name}", dependencies=[needs(Role.VIEWER)])
    async def read_metrics(target: InPath, hours_back: HoursBack = 24) -> MetricsAnswer:
        """Show the target's metrics, and its rules as they were judged last."""
        return await endpoints.numbers(target, hours_back)

    endpoints.operations.add_to(router)
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
