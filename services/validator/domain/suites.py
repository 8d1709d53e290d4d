"""Which requests prove that a service works, and how stubbornly each is tried."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from contracts.policy import API, SMOKE, HttpTest, Tests
from contracts.validator import Suite

__all__ = ["API", "SMOKE", "HttpTest", "Stubbornness", "backoff"]

DEFAULTS = Tests()


class Stubbornness(BaseModel):
    """How long one attempt may take, and how many more follow it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    smoke_timeout_seconds: Annotated[float, Field(gt=0, le=120)] = DEFAULTS.smoke_timeout_seconds
    api_timeout_seconds: Annotated[float, Field(gt=0, le=120)] = DEFAULTS.api_timeout_seconds
    critical_retries: Annotated[int, Field(ge=0, le=10)] = DEFAULTS.critical_retries
    other_retries: Annotated[int, Field(ge=0, le=10)] = DEFAULTS.other_retries

    def timeout(self, suite: Suite) -> float:
        """Of one attempt, in real seconds."""
        return self.smoke_timeout_seconds if suite == "smoke" else self.api_timeout_seconds

    def attempts(self, test: HttpTest) -> int:
        return 1 + (self.critical_retries if test.critical else self.other_retries)


def backoff(attempt: int) -> float:
    """Seconds of product time before the attempt after attempt number ``attempt`` (from 0): 2^attempt, as required."""
    return float(2**attempt)
