"""HTTP in: an analysis now, and the newest advice."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from contracts.base import Name, Target
from contracts.optimizer import RecommendationMade
from services._aws.existing import Existing
from services._chassis.http import Problem
from services._chassis.store import Store
from services.optimizer.domain.analysis import Analysis
from services.optimizer.domain.size import Baseline
from services.optimizer.handlers import LONGEST, Analyst, baseline_record, recommendation_record
from services.optimizer.ports import NotSizable

PREFIX = "/resource-optimization"

HoursBack = Annotated[int, Query(ge=1, le=LONGEST, description="Hours before now; at most 14 days.")]


class AnalysisAnswer(BaseModel):
    target: str
    measured_until: datetime
    analysis: Analysis


class RecommendationsAnswer(BaseModel):
    """The newest recommendation, as an analysis of a deployment made it; none before the first."""

    target: str
    recommendations: tuple[RecommendationMade, ...]
    baseline: Baseline | None


def create_router(
    store: Store, find_target: Callable[[str, str], Target], analyst: Analyst, existing: Existing
) -> APIRouter:
    """``find_target`` completes cluster and service with account and region."""
    router = APIRouter(prefix=PREFIX, tags=["optimizer"])

    @router.get("/analyze/{cluster_name}/{service_name}")
    async def analyze(cluster_name: Name, service_name: Name, hours_back: HoursBack = 24) -> AnalysisAnswer:
        """Analyse now, and keep nothing of it."""
        target = find_target(cluster_name, service_name)
        try:
            analysis, until = await analyst.look(target, hours_back)
        except NotSizable as error:
            await existing(target)
            raise Problem(404, "Nothing to size", f"{error}.") from error
        return AnalysisAnswer(target=str(target), measured_until=until, analysis=analysis)

    @router.get("/recommendations/{cluster_name}/{service_name}")
    async def recommendations(cluster_name: Name, service_name: Name) -> RecommendationsAnswer:
        """The newest recommendation and the baseline that go with the last deployment."""
        target = find_target(cluster_name, service_name)
        made = await store.record(recommendation_record(target))
        usual = await store.record(baseline_record(target))
        if made is None and usual is None:
            await existing(target)
        return RecommendationsAnswer(
            target=str(target),
            recommendations=(RecommendationMade.model_validate_json(made),) if made else (),
            baseline=Baseline.model_validate_json(usual) if usual else None,
        )

    return router
