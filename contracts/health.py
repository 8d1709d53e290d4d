"""Health: the watch over a deployment, and the score."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from contracts.base import Contract, Event, RunId, Time
from contracts.limits import MINIMUM_HEALTH_SCORE
from contracts.policy import DatabaseInstance
from contracts.policy_parts import HealthPolicy
from contracts.prose import Prose
from contracts.rollout_pace import RolloutPace


class AssessHealth(Event):
    """Ask how healthy the service is: a score as an interval over the three levels."""

    overridable: ClassVar[Mapping[str, str]] = {
        "health_score": "the service is healthy enough before the change",
        "assess_health": "health could give its score",
        "assess_health_answered": "health answered in time",
    }

    run_id: RunId
    minimum_score: float = MINIMUM_HEALTH_SCORE
    policy: HealthPolicy | None = None


class WatchDeployment(Event):
    """Watch until the deployment is healthy, has failed, or the time for it is over."""

    run_id: RunId
    deployment_id: str | None = None
    """None: the next deployment that somebody else starts, or the one in progress (observe)."""
    task_definition: str | None = None
    deadline: Time
    """Until when a deployment is waited for; with a ``pace`` also longer, as long as it moves."""
    pace: RolloutPace | None = None
    """It says how far each progress extends the watch, up to ``pace.longest`` in all. Without one ``deadline`` holds,
    however the deployment moves."""
    database: DatabaseInstance | None = None
    """The RDS instance of the application. What fails while that is in trouble itself is held against no version."""


class StartHealthChecks(Event):
    """Check the target continuously from now on."""

    run_id: RunId


class LevelScore(Contract):
    level: Literal["basic", "performance", "business"]
    low: float
    high: float
    weight: float


class HealthScored(Event):
    """A health score, 0 to 100: what is unknown counts as 0 at the low end and as 100 at the high end."""

    low: float
    high: float
    rating: Literal["excellent", "good", "fair", "poor", "critical", "unknown"]
    """``unknown`` where the two ends lie in different ranges."""
    levels: tuple[LevelScore, ...]


class CheckFailed(Event):
    check: str
    level: Literal["basic", "performance", "business"]
    critical: bool
    detail: Prose
