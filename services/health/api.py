"""HTTP in, HTTP out: how well is the target right now? Each request looks anew."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from contracts.base import Target
from contracts.health import LevelScore
from services._aws.existing import Existing
from services._chassis.aws import AwsError
from services._chassis.clock import Clock, moment
from services._chassis.http import Problem, named_target
from services.health.domain.checks import Check, Finding, Level, Limits, checks, dependency
from services.health.domain.observed import Answer, Evidence, Unasked
from services.health.domain.readiness import migrations
from services.health.domain.score import Rating, Score, score
from services.health.ports import Examiner

ANSWER_SECONDS = 30.0
"""Real seconds for one request."""


class ScoreBody(BaseModel):
    """0 to 100. What is unknown counts as 0 in ``low`` and as 100 in ``high``."""

    target: str
    low: float
    high: float
    rating: Rating
    levels: tuple[LevelScore, ...]
    checked_at: datetime


class CheckBody(BaseModel):
    name: str
    level: Level
    finding: Finding
    critical: bool
    detail: str


class ComprehensiveBody(ScoreBody):
    checks: tuple[CheckBody, ...]
    migrations: dict[str, Any] | None
    """As the application tells them under its ``/health/ready``."""


class DatabaseBody(BaseModel):
    target: str
    database: Finding
    detail: str
    migrations: dict[str, Any] | None
    checked_at: datetime


def router(
    examiner: Examiner,
    existing: Existing,
    *,
    target: Callable[[str | None, str | None], Target],
    limits: Limits,
    clock: Clock,
) -> APIRouter:
    """Return the routes; ``target`` turns the query's names into a target or raises ``ValueError``."""
    routes = APIRouter(prefix="/health", tags=["health"])

    async def examined(about: Target) -> tuple[tuple[Check, ...], Score, Answer | Unasked | None]:
        evidence = await _examine(examiner, existing, about)
        found = checks(evidence, limits)
        return found, score(found), evidence.ready

    @routes.get("/score")
    async def get_score(cluster_name: str | None = None, service_name: str | None = None) -> ScoreBody:
        about = named_target(target, cluster_name, service_name)
        _, total, _ = await examined(about)
        return ScoreBody(**_score(about, total, clock))

    @routes.get("/comprehensive")
    async def get_comprehensive(cluster_name: str | None = None, service_name: str | None = None) -> ComprehensiveBody:
        about = named_target(target, cluster_name, service_name)
        found, total, ready = await examined(about)
        return ComprehensiveBody(
            **_score(about, total, clock),
            checks=tuple(_check(one) for one in found),
            migrations=_migrations(ready),
        )

    @routes.get("/database")
    async def get_database(cluster_name: str | None = None, service_name: str | None = None) -> DatabaseBody:
        about = named_target(target, cluster_name, service_name)
        _, _, ready = await examined(about)
        found = dependency("database", ready or Unasked("the application has no address"))
        return DatabaseBody(
            target=str(about),
            database=found.finding if found else Finding.UNKNOWN,
            detail=found.detail if found else "the application tells nothing of a database",
            migrations=_migrations(ready),
            checked_at=moment(clock.now()),
        )

    return routes


async def _examine(examiner: Examiner, existing: Existing, about: Target) -> Evidence:
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            evidence = await examiner.examine(about)
    except TimeoutError:
        raise Problem(504, "No answer in time", f"{about} could not be looked at in time.") from None
    if evidence.service is None:
        await existing(about)
        raise Problem(404, "No such service", f"ECS knows no active service {about}.")
    if isinstance(evidence.service, Unasked):
        raise AwsError(evidence.service.why)
    return evidence


def _score(about: Target, total: Score, clock: Clock) -> dict[str, Any]:
    return {
        "target": str(about),
        "low": total.low,
        "high": total.high,
        "rating": total.rating,
        "levels": total.levels,
        "checked_at": moment(clock.now()),
    }


def _check(one: Check) -> CheckBody:
    return CheckBody(name=one.name, level=one.level, finding=one.finding, critical=one.critical, detail=one.detail)


def _migrations(ready: Answer | Unasked | None) -> dict[str, Any] | None:
    found = migrations(ready.document) if isinstance(ready, Answer) else None
    return None if found is None else dict(found)
