"""HTTP in: an analysis now, and the newest advice."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from contracts.access import Role
from contracts.base import Target
from contracts.optimizer import RecommendationMade
from contracts.state import read_record
from services._aws.existing import Existing
from services._chassis.access.permit import needs
from services._chassis.http import Problem
from services._chassis.store import Store
from services._chassis.targets import Targets
from services.optimizer.domain.analysis import Analysis
from services.optimizer.domain.size import Baseline
from services.optimizer.jobs.analyze import LONGEST, Analyze, baseline_record, recommendation_record
from services.optimizer.ports import NotSizable

PREFIX = "/resource-optimization"

HoursBack = Annotated[int, Query(ge=1, le=LONGEST, description="Hours before now; at most 14 days.")]


class AnalysisAnswer(BaseModel):
    target: str
    measured_until: datetime
    analysis: Analysis


class RecommendationsAnswer(BaseModel):
    """The newest recommendation that an analysis in a run has made; none before the first."""

    target: str
    recommendations: tuple[RecommendationMade, ...]
    baseline: Baseline | None


def create_router(store: Store, targets: Targets, analysis_of: Analyze, existing: Existing) -> APIRouter:
    router = APIRouter(prefix=PREFIX, tags=["optimizer"])

    InPath = Annotated[Target, Depends(targets.in_path)]  # noqa: N806  a type

    @router.get("/analyze/{cluster_name}/{service_name}", dependencies=[needs(Role.VIEWER)])
    async def analyze(target: InPath, hours_back: HoursBack = 24) -> AnalysisAnswer:
        """Analyse now, without storing the result."""
        try:
            analysis, until = await analysis_of.look(target, hours_back)
        except NotSizable as error:
            await existing(target)
            raise Problem(404, "Nothing to size", f"{error}.") from error
        return AnalysisAnswer(target=str(target), measured_until=until, analysis=analysis)

    @router.get("/recommendations/{cluster_name}/{service_name}", dependencies=[needs(Role.VIEWER)])
    async def recommendations(target: InPath) -> RecommendationsAnswer:
        """Show the newest recommendation and baseline."""
        made = await store.record(recommendation_record(target))
        usual = await store.record(baseline_record(target))
        if made is None and usual is None:
            await existing(target)
        return RecommendationsAnswer(
            target=str(target),
            recommendations=(recommended,) if (recommended := read_record(RecommendationMade, made)) else (),
            baseline=read_record(Baseline, usual),
        )

    return router
