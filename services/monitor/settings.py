"""The settings of the monitor. The rest is in the policy of each service."""

from typing import Annotated

from pydantic import Field

from services._chassis import settings


class Settings(settings.Settings):
    dashboard_refresh_interval: Annotated[int, Field(ge=10, le=86400)] = 300
    """Seconds that one point of the dashboard's graphs stands for, rounded to a whole minute."""
