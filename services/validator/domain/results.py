"""What a test saw: its attempts, and what these come to."""

from dataclasses import dataclass

from contracts.policy_tests import HttpTest
from contracts.validator import Suite, TestState


@dataclass(frozen=True, slots=True)
class Answered:
    """An attempt that was answered, with whatever status."""

    status: int
    seconds: float
    """Real seconds from the request to the end of the answer's body (ADR 4)."""
    leads_away: bool = False
    """Whether it is a redirect to another host, such as a login: then the service has not answered by itself."""


@dataclass(frozen=True, slots=True)
class Silent:
    """An attempt without an answer: something accepted the connection."""

    reason: str
    """Such as ``no answer in 10 s``; it never quotes what the other side sent."""


@dataclass(frozen=True, slots=True)
class Unreachable:
    """An attempt without a connection: whether the service works cannot be seen from here."""

    reason: str
    """Such as ``no connection to the internal load balancer court``."""
    internal: bool = False
    """Whether the address is an internal load balancer's, which may be out of reach from here, whatever is live."""


Attempt = Answered | Silent | Unreachable


@dataclass(frozen=True, slots=True)
class TestResult:
    """A test and all its attempts, of which the last decides. A test without attempts was not run."""

    __test__ = False  # pytest takes classes of this name for tests

    suite: Suite
    test: HttpTest
    attempts: tuple[Attempt, ...] = ()
    not_asked: str = ""
    """Why no request was sent, where this service would not be the one to answer it; empty where it would be."""

    @property
    def state(self) -> TestState:
        """Return what became of the test. It is unreachable if not one attempt had a connection."""
        if self.not_asked:
            return "elsewhere"
        if not self.attempts:
            return "not_run"
        if all(isinstance(attempt, Unreachable) for attempt in self.attempts):
            return "unreachable"
        return _state_of(self.test, self.attempts[-1])

    @property
    def passed(self) -> bool | None:
        """Return whether the test passed; None if it was not run."""
        return self.state == "passed" if self.attempts else None

    @property
    def sentence(self) -> str:
        """Return one sentence about a test that did not pass: its name, its path and what was seen instead."""
        if self.not_asked:
            return f"{self.test.name}: {self.not_asked}"
        if not self.attempts:
            return f"{self.test.name}: GET {self.test.path} was not run"
        match self.attempts[-1]:
            case Answered(leads_away=True):
                saw = "answered by a redirect to another host"
            case Answered(status):
                expected = ", ".join(map(str, sorted(self.test.expected)))
                saw = f"answered {status}, expected {expected}"
            case Silent(reason) | Unreachable(reason):
                saw = reason
        times = f"{len(self.attempts)} attempt{'' if len(self.attempts) == 1 else 's'}"
        return f"{self.test.name}: GET {self.test.path}: {saw} ({times})"


def _state_of(test: HttpTest, last: Attempt) -> TestState:
    match last:
        case Answered() if as_expected(test, last):
            return "passed"
        case Answered(leads_away=True):
            return "elsewhere"
        case Answered(status) if status < 500:
            return "refused"
        case _:
            return "failed"


def as_expected(test: HttpTest, attempt: Attempt) -> bool:
    return isinstance(attempt, Answered) and attempt.status in test.expected
