"""Turns the answers of a service into gates."""

from dataclasses import dataclass
from itertools import chain

from contracts.deployment import Cause
from contracts.gates import Gate, Verdict
from contracts.policy import HttpTest, Tests
from contracts.results import ProbesOutput
from contracts.validator import Suite


@dataclass(frozen=True, slots=True)
class Answered:
    """An attempt that was answered, with whatever status."""

    status: int
    seconds: float
    """Real seconds from the request to the end of the answer's body (ADR 4)."""


@dataclass(frozen=True, slots=True)
class Silent:
    """An attempt without an answer."""

    reason: str
    """Such as ``no answer in 10 s`` or ``no connection``; it never quotes what the other side sent."""


Attempt = Answered | Silent


@dataclass(frozen=True, slots=True)
class TestResult:
    """A test and all its attempts, of which the last decides. A test without attempts was not run."""

    __test__ = False  # pytest takes classes of this name for tests

    suite: Suite
    test: HttpTest
    attempts: tuple[Attempt, ...] = ()

    @property
    def passed(self) -> bool | None:
        """Return whether the test passed; None if it was not run."""
        return as_expected(self.test, self.attempts[-1]) if self.attempts else None

    @property
    def failures(self) -> int:
        """Return how many attempts were not answered as expected."""
        return sum(not as_expected(self.test, attempt) for attempt in self.attempts)

    @property
    def sentence(self) -> str:
        """Return one sentence about a test that did not pass: its name, its path and what was seen instead."""
        if not self.attempts:
            return f"{self.test.name}: GET {self.test.path} was not run"
        match self.attempts[-1]:
            case Answered(status):
                expected = ", ".join(map(str, sorted(self.test.expected)))
                saw = f"answered {status}, expected {expected}"
            case Silent(reason):
                saw = reason
        times = f"{len(self.attempts)} attempt{'' if len(self.attempts) == 1 else 's'}"
        return f"{self.test.name}: GET {self.test.path}: {saw} ({times})"


def as_expected(test: HttpTest, attempt: Attempt) -> bool:
    return isinstance(attempt, Answered) and attempt.status in test.expected


def should_continue(smoke: tuple[TestResult, ...]) -> bool:
    """Return whether the other suites are worth running: no critical smoke test failed."""
    return all(result.passed is not False for result in smoke if result.test.critical)


def judge(results: tuple[TestResult, ...], tests: Tests) -> tuple[Gate, ...]:
    """Return the gates ``success_rate``, ``critical_tests`` and ``response_time_p95`` of all tests to be run."""
    return (
        _success_rate(results, tests.required_pass_percent),
        _critical_tests(results),
        _response_time(results, tests.response_time_seconds),
    )


def cause(verdict: Verdict) -> Cause | None:
    """Return the cause that goes with a verdict. Inconclusive means that time ran out: some tests were not run."""
    return {Verdict.PASS: None, Verdict.FAIL: Cause.GATE, Verdict.INCONCLUSIVE: Cause.TIMEOUT}[verdict]


def summary(results: tuple[TestResult, ...], gates: tuple[Gate, ...]) -> str:
    """Return one sentence: how many tests passed, and the arithmetic of each gate that did not."""
    passed = sum(result.passed is True for result in results)
    unmet = (f"{gate.name} {gate.arithmetic}" for gate in gates if gate.verdict is not Verdict.PASS)
    return "; ".join((f"{passed} of {len(results)} tests passed", *unmet))


def probes(results: tuple[TestResult, ...]) -> ProbesOutput:
    """Return the tests as requests to the service; each attempt counts as one."""
    return ProbesOutput(
        requests=sum(len(result.attempts) for result in results),
        failures=sum(result.failures for result in results),
        p95_seconds=percentile(_seconds(results), 95),
    )


def percentile(values: tuple[float, ...], percent: float) -> float | None:
    """Return the percentile by linear interpolation; None without values.

    It is type 7 of Hyndman and Fan, Sample Quantiles in Statistical Packages (1996): with the nine answers of the
    default suites one slow answer among fast ones weighs about half, where the nearest rank would be that answer.
    """
    if not values:
        return None
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _success_rate(results: tuple[TestResult, ...], threshold: float) -> Gate:
    """Return a gate with an interval: a test that was not run counts as failed at the low end, as passed at the high.

    Without any test that was run there is no interval, and the gate is inconclusive.
    """
    run = [result for result in results if result.passed is not None]
    passed = sum(result.passed is True for result in run)
    open_ = len(results) - len(run)
    if not run:
        return Gate.measured("success_rate", None, ">=", threshold, unit="%", samples=0, detail="no test was run")
    return Gate.between(
        "success_rate",
        100 * passed / len(results),
        100 * (passed + open_) / len(results),
        threshold,
        unit="%",
        samples=len(run),
        detail=_unmet(results) or f"all {len(results)} tests passed",
    )


def _critical_tests(results: tuple[TestResult, ...]) -> Gate:
    critical = tuple(result for result in results if result.test.critical)
    failed = sum(result.passed is False for result in critical)
    run = sum(result.passed is not None for result in critical)
    return Gate.measured(
        "critical_tests",
        failed if failed or run == len(critical) else None,
        "<=",
        0,
        unit=" failed",
        samples=run,
        minimum=1 if failed else len(critical),
        detail=_unmet(critical) or f"all {len(critical)} critical tests passed",
    )


def _response_time(results: tuple[TestResult, ...], threshold: float) -> Gate:
    seconds = _seconds(results)
    return Gate.measured(
        "response_time_p95",
        percentile(seconds, 95),
        "<=",
        threshold,
        unit=" s",
        samples=len(seconds),
        detail=f"slowest {max(seconds):.2f} s" if seconds else "nothing answered",
    )


def _seconds(results: tuple[TestResult, ...]) -> tuple[float, ...]:
    """Return the seconds of every answered attempt, expected or not: a retry must not hide a slow answer."""
    attempts = chain.from_iterable(result.attempts for result in results)
    return tuple(attempt.seconds for attempt in attempts if isinstance(attempt, Answered))


def _unmet(results: tuple[TestResult, ...]) -> str:
    return "; ".join(result.sentence for result in results if not result.passed)
