"""A validation that was asked for over the API, as its readers see it."""

from datetime import datetime, timedelta
from typing import Literal, Self

from contracts.base import Contract, Target
from contracts.deployment import Cause
from contracts.gates import Gate, Verdict
from contracts.results import ProbesOutput
from contracts.validator import Suite
from services.validator.domain.judge import Answered, Tried

GRACE = timedelta(minutes=5)
"""After the deadline; who has not answered by then never will."""


def record_of(operation_id: str) -> str:
    """The name under which an operation is kept."""
    return f"operation/{operation_id}"


class Tested(Contract):
    """One test's result."""

    suite: Suite
    name: str
    path: str
    critical: bool
    passed: bool | None
    """None: there was no time to run it."""
    attempts: int
    status: int | None
    """Of the last attempt, if it was answered."""
    seconds: float | None
    detail: str
    """Empty when it passed."""

    @classmethod
    def of(cls, tried: Tried) -> Self:
        last = tried.attempts[-1] if tried.attempts else None
        answered = last if isinstance(last, Answered) else None
        return cls(
            suite=tried.suite,
            name=tried.test.name,
            path=tried.test.path,
            critical=tried.test.critical,
            passed=tried.passed,
            attempts=len(tried.attempts),
            status=answered.status if answered else None,
            seconds=round(answered.seconds, 3) if answered else None,
            detail="" if tried.passed else tried.sentence,
        )


class Result(Contract):
    verdict: Verdict
    cause: Cause | None = None
    summary: str
    gates: tuple[Gate, ...]
    output: ProbesOutput | None = None
    tests: tuple[Tested, ...] = ()


class Operation(Contract):
    operation_id: str
    target: Target
    suites: tuple[Suite, ...]
    requested_at: datetime
    deadline: datetime
    state: Literal["running", "finished", "abandoned"] = "running"
    result: Result | None = None

    def finished(self, result: Result) -> Self:
        return self.model_copy(update={"state": "finished", "result": result})

    def seen(self, now: datetime) -> Self:
        """As it is at ``now``: long after its deadline, what still runs was abandoned."""
        if self.state == "running" and now > self.deadline + GRACE:
            return self.model_copy(update={"state": "abandoned"})
        return self
