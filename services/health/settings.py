"""The settings of health."""

from typing import Annotated

from pydantic import Field, HttpUrl, StringConstraints

from contracts.limits import WARNING_RESPONSE_TIME
from services._chassis import settings

Path = Annotated[str, StringConstraints(pattern=r"^/[^\s]*$", max_length=200)]


class Settings(settings.Settings):
    """The health settings of the requirements (docs/requirements.md), and where the application reports its health."""

    health_check_interval: Annotated[float, Field(ge=5)] = 30
    """Product seconds between two continuous checks of a target."""
    performance_threshold_ms: Annotated[float, Field(gt=0)] = WARNING_RESPONSE_TIME * 1000
    """The slowest p95 response time, milliseconds, that counts as good."""
    application_url: HttpUrl | None = None
    """Where the configured service's users reach it; without it, its load balancer's own name and port.

    Needed where the load balancer speaks HTTPS only: no certificate is valid for the load balancer's own name.
    """
    application_health_path: Path = "/health"
    """Answers below 300 once the application has started."""
    application_ready_path: Path = "/health/ready"
    """Tells as JSON of ``database``, ``redis`` and ``migrations``."""
    application_endpoints: tuple[Path, ...] = ("/api/v1/",)
    """What users call; each should answer below 500."""
