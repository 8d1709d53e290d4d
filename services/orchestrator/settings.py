"""The settings of the orchestrator."""

from typing import Annotated

from pydantic import Field

from services._chassis import settings
from services.orchestrator.domain.run import Policy


class Settings(settings.Settings):
    """The guide's orchestration settings."""

    auto_recovery_enabled: bool = True
    """False: nothing is rolled back by itself, whatever a request says."""
    auto_optimization_enabled: bool = True
    """False: runs have no optimisation analysis."""
    validation_timeout_minutes: Annotated[float, Field(gt=0, le=120)] = 10
    """The longest that post-deployment validation may take where a request over HTTP does not say."""
    monitoring_interval_minutes: Annotated[float, Field(gt=0, le=60)] = 5
    """After so much silence a run says what it waits for."""

    def policy(self) -> Policy:
        """Return what the course needs to know of this. Raise ``ValueError`` without an account."""
        if self.aws_account is None:
            raise ValueError("AWS_ACCOUNT is not known: set it, or let the start ask STS")
        return Policy(
            account=self.aws_account,
            region=self.aws_region,
            auto_recovery=self.auto_recovery_enabled,
            auto_optimization=self.auto_optimization_enabled,
            tell_every=self.monitoring_interval_minutes * 60,
        )
