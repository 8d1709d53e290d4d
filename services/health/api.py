"""HTTP in, HTTP out: how well is the target right now? Each request looks anew."""

from collections.abc import Awaitable
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from contracts.access import Role
from contracts.base import Target
from contracts.health import LevelScore
from contracts.prose import Prose
from contracts.schema_status import migrations_of
from services._aws.existing import Existing, looked_at
from services._chassis.access.permit import needs
from services._chassis.aws import AwsError
from services._chassis.clock import Clock, moment
from services._chassis.targets import Targets
from services.health.domain.checks import Check, Finding, Level, checks, dependency
from services.health.domain.observed import Answer, Evidence, NotObserved
from services.health.domain.score import Rating, Score, score
from services.health.ports import Examiner

PREFIX = "/health"


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
    detail: Prose


class ComprehensiveBody(ScoreBody):
    checks: tuple[CheckBody, ...]
    migrations: dict[str, Any] | None
    """What the application reports about them under ``/health/ready``; None where it reports nothing."""


class DatabaseBody(BaseModel):
    target: str
    database: Finding
    detail: Prose
    migrations: dict[str, Any] | None
    checked_at: datetime


def create_router(examine: Examiner, existing: Existing, targets: Targets, clock: Clock) -> APIRouter:
    """Return the routes; each looks by the policy in force."""
    router = APIRouter(prefix=PREFIX, tags=["health"])

    InQuery = Annotated[Target, Depends(targets.in_query)]  # noqa: N806  a type

    async def examined(target: Target) -> tuple[tuple[Check, ...], Score, Answer | NotObserved | None]:
        policy = targets.policies.of(target)
        evidence = await _examine(examine(target, policy.application), existing, target)
        found = checks(evidence, policy.health)
        return found, score(found), evidence.ready

    @router.get("/score", dependencies=[needs(Role.VIEWER)])
    async def get_score(target: InQuery) -> ScoreBody:
        _, total, _ = await examined(target)
        return ScoreBody(**_score(target, total, clock))

    @router.get("/comprehensive", dependencies=[needs(Role.VIEWER)])
    async def get_comprehensive(target: InQuery) -> ComprehensiveBody:
        found, total, ready = await examined(target)
        return ComprehensiveBody(
            **_score(target, total, clock),
            checks=tuple(map(_check, found)),
            migrations=_migrations(ready),
        )

    @router.get("/database", dependencies=[needs(Role.VIEWER)])
    async def get_database(target: InQuery) -> DatabaseBody:
        _, _, ready = await examined(target)
        found = dependency("database", ready or NotObserved("the application has no address"))
        return DatabaseBody(
            target=str(target),
            database=found.finding if found else Finding.UNKNOWN,
            detail=found.detail if found else "the application tells nothing of a database",
            migrations=_migrations(ready),
            checked_at=moment(clock.now()),
        )

    return router


async def _examine(look: Awaitable[Evidence], existing: Existing, about: Target) -> Evidence:
    evidence = await looked_at(look, existing, about)
    if isinstance(evidence.service, NotObserved):
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


def _check(check: Check) -> CheckBody:
    return CheckBody(
        name=check.name, level=check.level, finding=check.finding, critical=check.critical, detail=check.detail
    )


def _migrations(ready: Answer | NotObserved | None) -> dict[str, Any] | None:
    return migrations_of(ready.document) if isinstance(ready, Answer) else None
