"""What can be set for the validator."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from services._chassis import settings
from services.validator.domain.judge import Thresholds
from services.validator.domain.suites import API, SMOKE, HttpTest, Stubbornness

BaseUrl = Annotated[str, StringConstraints(pattern=r"^https?://[A-Za-z0-9.\[\]:-]+$")]
GUIDE = Thresholds()


def _known(given: Any) -> Any:
    if isinstance(given, dict) and (unknown := given.keys() - HttpTest.model_fields):
        raise ValueError(f"a test has no {', '.join(sorted(map(str, unknown)))}")
    return given


KnownTest = Annotated[HttpTest, BeforeValidator(_known)]
"""The contract ignores what it does not know, which is right for messages and wrong for what people type."""


class Settings(settings.Settings):
    smoke_tests: Annotated[tuple[KnownTest, ...], Field(min_length=1)] = SMOKE
    """Run first, all at once. A critical one that fails ends the validation."""
    api_tests: tuple[KnownTest, ...] = API
    """Run if the smoke tests passed."""
    stubbornness: Stubbornness = Stubbornness()
    """Timeouts in real seconds, retries; the defaults are those of the requirements (docs/requirements.md)."""
    success_rate_percent: Annotated[float, Field(ge=0, le=100)] = GUIDE.success_rate_percent
    """The least share of tests that pass; the requirements' 90."""
    response_time_seconds: Annotated[float, Field(gt=0)] = GUIDE.response_time_seconds
    """The highest p95 of the validator's own requests; the requirements' critical 5 s."""
    validation_timeout_minutes: Annotated[float, Field(gt=0, le=120)] = 10
    """The longest that a validation started over the API may take; the requirements' 10 minutes."""
    base_urls: dict[str, BaseUrl] = Field(default_factory=dict)
    """``cluster/service`` → where its tests go, where that is not the load balancer's own name."""
    image_policy: Literal["linux/amd64", "task-definition"] = "linux/amd64"
    """What an image must be built for: the requirements' linux/amd64, or just what the task definition runs on."""
