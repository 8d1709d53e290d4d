"""What can be set for the monitor, beside what the policy of each service says."""

from typing import Annotated

from pydantic import Field

from services._chassis import settings


class Settings(settings.Settings):
    dashboard_refresh_interval: Annotated[int, Field(ge=10, le=86400)] = 300
    """Seconds of one point on the dashboard's graphs, rounded to a whole minute."""
