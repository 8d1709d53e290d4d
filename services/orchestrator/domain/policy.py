"""What the policy of a target means for its runs."""

from typing import Self

from contracts.base import Contract
from contracts.deployment import DeploymentConfig
from contracts.policy import Part, ServicePolicy
from contracts.policy_holds import Holds
from contracts.prose import Prose


class Policy(Contract):
    """What holds for runs on a target; a run keeps the one that it began with."""

    auto_recovery: bool = True
    """False: no run rolls back by itself, whatever its request says."""
    auto_optimization: bool = True
    """False: runs have no optimisation analysis."""
    tell_every: float = 300
    """Seconds without progress after which a run publishes what it waits for."""
    service: ServicePolicy | None = None
    """What the run's commands carry. None in what the version before wrote: then the policy in force holds."""
    refusal: Prose = ""
    """Why no run may begin on the target, as a sentence; empty where one may."""
    account: str = ""
    region: str = ""
    """Version 0.1.0 demands these two; during an upgrade it reads what is written here."""

    @classmethod
    def of(cls, service: ServicePolicy, progress_every: float) -> Self:
        return cls(
            auto_recovery=service.recovery.enabled,
            auto_optimization=service.optimization.enabled,
            tell_every=progress_every,
            service=service,
            account=service.target.account,
            region=service.target.region,
        )

    @property
    def digest(self) -> str:
        return self.service.digest if self.service else ""

    @property
    def holds(self) -> Holds:
        """Return which deployments are held after a rollback; without a service's own policy the defaults hold."""
        return self.service.holds if self.service else Holds()

    def part(self, kind: type[Part]) -> Part | None:
        """Return what a command to one service carries of it."""
        return self.service.part(kind) if self.service else None

    def completes(self, asked: DeploymentConfig) -> DeploymentConfig:
        """Return what was asked for, with the policy's values in place of what was left out.

        The time for a rollout stays unset where the policy does not set it either: then its pace decides.
        """
        if self.service is None:
            return asked
        timeouts = self.service.timeouts
        set_by_policy = "deployment_minutes" in timeouts.model_fields_set
        values = {
            **({"deployment_timeout_minutes": timeouts.deployment_minutes} if set_by_policy else {}),
            "validation_timeout_minutes": timeouts.validation_minutes,
            "baking_minutes": self.service.baking.maximum_minutes,
            "enable_auto_recovery": self.service.recovery.enabled,
            "minimum_health_score": self.service.gates.minimum_health_score,
        }
        return DeploymentConfig.model_validate(values | asked.model_dump(exclude_unset=True))
