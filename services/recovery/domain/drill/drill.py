"""The state of a drill: who asked for which plan to be tried, and how far that has come."""

from datetime import datetime
from typing import Literal

from contracts.base import Contract
from contracts.deployment import Override
from contracts.drills import DrillPlan
from contracts.monitor import CriticalAlert, CriticalRule
from contracts.prose import Plain, Prose
from contracts.recovery import ManualTrigger, Trigger
from contracts.rollout_pace import RolloutPace

MOST_PAST_DRILLS = 20
"""How many drills of a target are kept that were begun and are over."""
KEEPS_SERVING = "keeps_serving"
"""The check that a drill stops no task before its replacement serves."""
WINDOW_SECONDS = 60.0
"""The monitor's windows begin with a whole minute of CloudWatch, and so up to so many seconds before a call."""


class Drill(Contract):
    """The drill of a target that is under way."""

    drill_id: str
    plan: DrillPlan
    trigger: Trigger
    asked_at: datetime
    until: datetime
    """When it ends at the latest."""
    minimum_health_score: float
    """Below it the drill ends."""
    overrides: tuple[Override, ...] = ()
    sentence: Prose = ""
    """What is done; empty until recovery has looked at the service: then nothing is changed yet."""
    version: Plain = ""
    """``family:revision`` of what is live."""
    deployment_before: Plain = ""
    """The deployment that was live when it began, as ECS names it."""
    deployment_id: Plain = ""
    """The deployment that it has made; empty until that is known, and for a drill of another plan."""
    called_at: datetime | None = None
    """When AWS was about to be called: the trigger, from which on it is timed. Written before the call."""
    served_at: datetime | None = None
    """When every task served."""
    rpo_seconds: float | None = None
    pace: RolloutPace | None = None
    """How fast the service rolls out; None for a drill of another plan."""
    scaling_id: str = ""
    """The emergency scaling that it has begun; empty for a drill of another plan."""
    waits: Prose = ""
    """Why AWS does not let it go on, as a sentence; empty where it does."""
    restored: bool = False
    """Whether it is known by its event alone, from a Redis of before it: it ends, and is not tried once more."""

    @property
    def actor(self) -> str:
        return self.trigger.actor if isinstance(self.trigger, ManualTrigger) else ""

    @property
    def overridden(self) -> frozenset[str]:
        return frozenset(override.gate for override in self.overrides)

    @property
    def rto_seconds(self) -> float | None:
        """Return how long it took from the trigger until every task served; None where that was not reached."""
        if self.called_at is None or self.served_at is None:
            return None
        return max(0.0, (self.served_at - self.called_at).total_seconds())

    def explains(self, alert: CriticalAlert) -> bool:
        """Return whether the drill itself is why the alert fires.

        It explains what was accepted by name before it began, and nothing else: that tasks stop before others start, so
        that the service has none for a while. That counts from its trigger until its tasks serve.
        """
        if KEEPS_SERVING not in self.overridden or alert.rule != CriticalRule.SERVICE_UNAVAILABLE:
            return False
        if self.called_at is None or self.served_at is not None or alert.window_from is None:
            return False
        return alert.window_from.timestamp() >= self.called_at.timestamp() - WINDOW_SECONDS


def scaling_of(drill_id: str) -> str:
    """Return the id of the emergency scaling by which a drill tries that plan."""
    return f"scaling:{drill_id.partition(':')[2]}"


class PastDrill(Contract):
    """A drill that was begun and is over."""

    drill_id: str
    plan: DrillPlan
    result: Literal["measured", "stopped", "failed"]
    began_at: datetime
    finished_at: datetime
    rto_seconds: float | None = None
    rpo_seconds: float | None = None
    version: Plain = ""
    deployment_id: Plain = ""
    sentence: Prose
    finding: Prose = ""
    actor: Plain = ""

    @property
    def slow(self) -> bool:
        """Return whether it was told to have taken longer than the plan promises."""
        return self.result == "measured" and self.rto_seconds is not None and self.rto_seconds > PROMISED[self.plan]


PROMISED: dict[str, float] = {"rollback": 300.0, "scaling": 180.0, "recreate": 3600.0}
"""Plan → the seconds within which every task has to serve (docs/requirements.md, Recovery plans)."""


class KnownScore(Contract):
    """The health score that was published last."""

    low: float
    at: datetime
