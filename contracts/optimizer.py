"""Optimizer: what it should cost."""

from typing import Literal

from contracts.base import Contract, Event, RunId, Time
from contracts.prose import Prose


class AnalyzeResources(Event):
    run_id: RunId
    hours_back: int = 24


class FargateSize(Contract):
    cpu: int
    """CPU units; 1024 is one vCPU."""
    memory: int
    """MiB."""


class RecommendationMade(Event):
    """A right-sizing to a valid Fargate pair."""

    run_id: RunId | None = None
    recommendation_id: str
    kind: Literal["right-size", "scale-up", "scale-down", "keep"]
    current: FargateSize
    recommended: FargateSize
    monthly_saving_usd: float | None
    """US dollars for all tasks; negative when the recommendation costs more, None when the price is not known."""
    confidence: float
    """0 to 100, the scale of the requirements (docs/requirements.md)."""
    reason: Prose
    measured_until: Time
