"""Which requests prove that a service works, and how stubbornly each is tried."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from contracts.validator import Suite

Status = Annotated[int, Field(ge=100, le=599)]
Path = Annotated[str, StringConstraints(pattern=r"^/(?:[!-.0-~][!-~]*)?$", max_length=512)]
"""Absolute and printable, and no ``//host``, which would name another host."""


class HttpTest(BaseModel):
    """One GET request and the answers that are right."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,64}$")]
    path: Path
    expected: Annotated[frozenset[Status], Field(min_length=1)] = frozenset({200})
    critical: bool = False
    """Its failure alone fails the validation."""


_GUARDED = frozenset({200, 401, 403})
"""We bring no credentials: to be told so is an answer, and proves that the endpoint is there."""

SMOKE = (
    HttpTest(name="health", path="/health", critical=True),
    HttpTest(name="startup", path="/health/ready", critical=True),
    HttpTest(name="api", path="/api/v1/", critical=True),
    HttpTest(name="documentation", path="/docs"),
)
"""The guide's smoke tests."""

API = (
    HttpTest(name="root", path="/api/v1/"),
    HttpTest(name="cases", path="/api/v1/cases", expected=_GUARDED),
    HttpTest(name="documents", path="/api/v1/documents", expected=_GUARDED),
    HttpTest(name="monitoring", path="/api/v1/monitoring/health", expected=_GUARDED),
    HttpTest(name="authentication", path="/api/v1/auth/me", expected=_GUARDED),
)
"""The guide's API tests, for its court case system; another application names its own."""


class Stubbornness(BaseModel):
    """How long one attempt may take, and how many more follow it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    smoke_timeout_seconds: Annotated[float, Field(gt=0, le=120)] = 10
    api_timeout_seconds: Annotated[float, Field(gt=0, le=120)] = 15
    critical_retries: Annotated[int, Field(ge=0, le=10)] = 3
    other_retries: Annotated[int, Field(ge=0, le=10)] = 1

    def timeout(self, suite: Suite) -> float:
        """Of one attempt, in real seconds."""
        return self.smoke_timeout_seconds if suite == "smoke" else self.api_timeout_seconds

    def attempts(self, test: HttpTest) -> int:
        return 1 + (self.critical_retries if test.critical else self.other_retries)


def backoff(attempt: int) -> float:
    """Seconds of product time before the attempt after attempt number ``attempt`` (from 0): the guide's 2^attempt."""
    return float(2**attempt)
