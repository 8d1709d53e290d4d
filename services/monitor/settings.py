"""What can be set for the monitor."""

from typing import Annotated

from pydantic import Field, StringConstraints

from contracts.limits import WARNING_MINUTES
from services._chassis import settings


class Settings(settings.Settings):
    cloudwatch_namespace: Annotated[str, StringConstraints(max_length=255, pattern=r"^[A-Za-z0-9_.\-/#:]+$")] = (
        "CourtCase/Production"
    )
    """Where the application publishes ``DatabaseConnectionErrors``, with the dimensions ClusterName and ServiceName."""
    alert_sns_topic: Annotated[str, StringConstraints(pattern=r"^arn:aws[\w-]*:sns:")] | None = None
    """What the alarms in CloudWatch tell. Without it they change their state and tell nobody."""
    metric_collection_interval: Annotated[float, Field(ge=10, le=3600)] = 60
    """Product seconds between two looks at a target; each is billed by the metric."""
    close_collection_interval: Annotated[float, Field(ge=10, le=3600)] = 15
    """The same while a deployment is watched closely."""
    dashboard_refresh_interval: Annotated[int, Field(ge=10, le=86400)] = 300
    """Seconds of one point on the dashboard's graphs, rounded to a whole minute."""
    alert_evaluation_period: Annotated[int, Field(ge=60, le=3600)] = WARNING_MINUTES * 60
    """Seconds for which a warning rule has to be broken, rounded to a whole minute."""
    database_instance: Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,62}$")] | None = None
    """The application's RDS instance: it is on the dashboard, and while it is in trouble itself nothing is rolled
    back for what users suffer. Without it a deployment is blamed."""
