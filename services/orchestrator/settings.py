"""The settings of the orchestrator. The rest is in the policy of each service."""

from typing import Annotated

from pydantic import Field

from services._chassis import settings


class Settings(settings.Settings):
    """The one orchestration setting of the requirements that is no part of a policy."""

    monitoring_interval_minutes: Annotated[float, Field(gt=0, le=60)] = 5
    """Minutes without progress after which a run publishes what it waits for."""
