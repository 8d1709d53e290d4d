"""How long a rollout may take: the time that somebody has set, or as long as it moves at the service's own pace.

A time that was set holds as it stands, in both directions: whoever set it may know of a start that takes longer than
any before, or want an end sooner than a careful guess would have it (ADR 23).
"""

from dataclasses import dataclass

from contracts.deployment import DeploymentConfig
from contracts.rollout_pace import RolloutPace, duration
from services.orchestrator.domain.limits import MINUTE


@dataclass(frozen=True, slots=True)
class RolloutBound:
    """What bounds a rollout. Times are seconds of product time, from its start."""

    config: DeploymentConfig
    measured: RolloutPace | None
    """The pace that preflight has measured."""

    @property
    def pace(self) -> RolloutPace | None:
        """The pace by which progress extends the time; None where the time is fixed."""
        return None if self.config.sets_deployment_timeout else self.measured

    @property
    def least(self) -> float:
        """What a rollout has in any case; all that it has where the time is fixed."""
        return self.config.deployment_timeout_minutes * MINUTE

    @property
    def first(self) -> float:
        """Until when it ends in which nothing moves."""
        return max(self.least, self.pace.silence) if self.pace else self.least

    @property
    def longest(self) -> float:
        """Until when it ends, however it moves."""
        return max(self.least, self.pace.longest) if self.pace else self.least

    @property
    def sentence(self) -> str:
        """Return the bound and how it came about, as a sentence."""
        least = duration(self.least)
        if self.config.sets_deployment_timeout:
            return f"The rollout may take {least}, as was set, however it moves{self._beside()}."
        if self.measured is None:
            return f"The rollout may take {least}, since the pace of the service is not known."
        if self.longest <= self.least:
            return f"The rollout may take {least} ({self.measured.arithmetic})."
        longest = duration(self.longest)
        return f"The rollout may take {least}, and {longest} as long as it moves: {self.measured.sentence}."

    def _beside(self) -> str:
        """Return what the pace says beside a time that was set."""
        if self.measured is None:
            return ""
        short = ", so that this may be too short" if self.measured.expected > self.least else ""
        return f"; by its pace it takes {duration(self.measured.expected)} ({self.measured.arithmetic}){short}"
