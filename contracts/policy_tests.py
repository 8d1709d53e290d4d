"""The HTTP tests of a policy, which prove that a service works after a change."""

from typing import Annotated

from pydantic import Field, StringConstraints

from contracts import limits
from contracts.policy_section import Path, Section, default


class HttpTest(Section):
    """One GET request and the answers that are right."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,64}$")]
    path: Path
    expected: Annotated[frozenset[Annotated[int, Field(ge=100, le=599)]], Field(min_length=1)] = frozenset({200})
    """HTTP statuses."""
    critical: bool = False
    """Its failure alone fails the validation."""


_GUARDED = frozenset({200, 401, 403})
"""The tests send no credentials: a refusal for that reason proves that the endpoint is there."""

SMOKE = (
    HttpTest(name="health", path="/health", critical=True),
    HttpTest(name="startup", path="/health/ready", critical=True),
    HttpTest(name="api", path="/api/v1/", critical=True),
    HttpTest(name="documentation", path="/docs"),
)
API = (
    HttpTest(name="root", path="/api/v1/"),
    HttpTest(name="cases", path="/api/v1/cases", expected=_GUARDED),
    HttpTest(name="documents", path="/api/v1/documents", expected=_GUARDED),
    HttpTest(name="monitoring", path="/api/v1/monitoring/health", expected=_GUARDED),
    HttpTest(name="authentication", path="/api/v1/auth/me", expected=_GUARDED),
)
"""The API tests of the court case system of the requirements; another application names its own."""


class Tests(Section):
    """What proves that the service works after a change. Timeouts are real seconds."""

    __test__ = False  # pytest takes classes of this name for tests

    smoke: tuple[HttpTest, ...] = default(SMOKE, "requirements, Test Categories", min_length=1, max_length=50)
    """Smoke tests, run first and all at once. A critical smoke test that fails ends the validation."""
    api: tuple[HttpTest, ...] = default(API, "requirements, Test Categories", max_length=200)
    """API tests, run if the smoke tests passed."""
    required_pass_percent: Annotated[float, Field(ge=0, le=100)] = default(
        limits.REQUIRED_PASS_PERCENT, "requirements, Phase 3"
    )
    response_time_seconds: Annotated[float, Field(gt=0)] = default(
        limits.CRITICAL_RESPONSE_TIME, "requirements, Alerting Rules"
    )
    """The highest 95th percentile of the tests' own requests."""
    smoke_timeout_seconds: Annotated[float, Field(gt=0, le=120)] = default(10, "requirements, Test Configuration")
    api_timeout_seconds: Annotated[float, Field(gt=0, le=120)] = default(15, "requirements, Test Configuration")
    critical_retries: Annotated[int, Field(ge=0, le=10)] = default(3, "requirements, Test Configuration")
    other_retries: Annotated[int, Field(ge=0, le=10)] = default(1, "requirements, Test Configuration")
