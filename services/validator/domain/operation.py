"""A validation that was requested over the API, as its readers see it."""

from datetime import datetime
from typing import Self

from contracts.base import Contract
from contracts.deployment import Cause
from contracts.gates import Gate, Verdict
from contracts.operations import Operation
from contracts.policy_section import Digest
from contracts.prose import Prose
from contracts.results import ProbesOutput
from contracts.validator import Suite
from services.validator.domain.results import Answered, TestResult


class Tested(Contract):
    """One test's result."""

    suite: Suite
    name: str
    path: str
    critical: bool
    passed: bool | None
    """Whether the test passed; None where it was not run: for lack of time, or since another service would answer."""
    attempts: int
    status: int | None
    """The HTTP status of the last attempt; None where that was not answered."""
    seconds: float | None
    detail: Prose
    """Empty when it passed."""

    @classmethod
    def of(cls, result: TestResult) -> Self:
        last = result.attempts[-1] if result.attempts else None
        answered = last if isinstance(last, Answered) else None
        return cls(
            suite=result.suite,
            name=result.test.name,
            path=result.test.path,
            critical=result.test.critical,
            passed=result.passed,
            attempts=len(result.attempts),
            status=answered.status if answered else None,
            seconds=round(answered.seconds, 3) if answered else None,
            detail="" if result.passed else result.sentence,
        )


class Result(Contract):
    verdict: Verdict
    cause: Cause | None = None
    summary: Prose
    gates: tuple[Gate, ...]
    output: ProbesOutput | None = None
    tests: tuple[Tested, ...] = ()
    policy_digest: Digest = ""
    """The digest of the policy whose thresholds the gates show; empty without a policy file."""


class Validation(Operation):
    kind: str = "validation"
    suites: tuple[Suite, ...]
    requested_at: datetime
    """The same as ``started_at``, under the name that version 0.1.0 gave it."""
    deadline: datetime
    result: Result | None = None

    def ended(self, result: Result, now: datetime) -> Self:
        return self.finished(result.summary, now, result=result)
