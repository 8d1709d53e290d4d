"""From answers to gates."""

from dataclasses import dataclass
from itertools import chain

from contracts.deployment import Cause
from contracts.gates import Gate, Verdict
from contracts.limits import CRITICAL_RESPONSE_TIME, REQUIRED_PASS_PERCENT
from contracts.results import ProbesOutput
from contracts.validator import Suite
from services.validator.domain.suites import HttpTest


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The validation success rate and the critical response time of the requirements (docs/requirements.md)."""

    success_rate_percent: float = REQUIRED_PASS_PERCENT
    response_time_seconds: float = CRITICAL_RESPONSE_TIME
    """Of the 95th percentile."""


@dataclass(frozen=True, slots=True)
class Answered:
    """An attempt that got an answer, whichever it was."""

    status: int
    seconds: float
    """From the request to the end of the answer's body, in real seconds: sockets live in real time."""


@dataclass(frozen=True, slots=True)
class Silent:
    """An attempt without an answer."""

    reason: str
    """``no answer in 10 s``, ``connection refused``: never anything that the other side sent."""


Attempt = Answered | Silent


@dataclass(frozen=True, slots=True)
class Tried:
    """A test and all its attempts, the last of which decides. Without attempts it was not run."""

    suite: Suite
    test: HttpTest
    attempts: tuple[Attempt, ...] = ()

    @property
    def passed(self) -> bool | None:
        """None if it was not run."""
        return right(self.test, self.attempts[-1]) if self.attempts else None

    @property
    def failures(self) -> int:
        """How many attempts were not answered as expected."""
        return sum(not right(self.test, attempt) for attempt in self.attempts)

    @property
    def sentence(self) -> str:
        """What a person needs to know of a test that did not pass."""
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


def right(test: HttpTest, attempt: Attempt) -> bool:
    return isinstance(attempt, Answered) and attempt.status in test.expected


def may_go_on(smoke: tuple[Tried, ...]) -> bool:
    """Whether the other suites are worth running: no critical smoke test failed."""
    return all(tried.passed is not False for tried in smoke if tried.test.critical)


def judge(tried: tuple[Tried, ...], thresholds: Thresholds) -> tuple[Gate, ...]:
    """Judge all tests that were to be run: ``success_rate``, ``critical_tests``, ``response_time_p95``."""
    return (
        _success_rate(tried, thresholds.success_rate_percent),
        _critical_tests(tried),
        _response_time(tried, thresholds.response_time_seconds),
    )


def cause(verdict: Verdict) -> Cause | None:
    """Inconclusive here means that time ran out: what was not run has no verdict."""
    return {Verdict.PASS: None, Verdict.FAIL: Cause.GATE, Verdict.INCONCLUSIVE: Cause.TIMEOUT}[verdict]


def summary(tried: tuple[Tried, ...], gates: tuple[Gate, ...]) -> str:
    """One sentence: how many passed, and the arithmetic of each gate that did not."""
    passed = sum(one.passed is True for one in tried)
    unmet = (f"{gate.name} {gate.arithmetic}" for gate in gates if gate.verdict is not Verdict.PASS)
    return "; ".join((f"{passed} of {len(tried)} tests passed", *unmet))


def probes(tried: tuple[Tried, ...]) -> ProbesOutput:
    """Every attempt counts as a request."""
    return ProbesOutput(
        requests=sum(len(one.attempts) for one in tried),
        failures=sum(one.failures for one in tried),
        p95_seconds=percentile(_seconds(tried), 95),
    )


def percentile(values: tuple[float, ...], percent: float) -> float | None:
    """The percentile by linear interpolation, or None of nothing.

    Type 7 of Hyndman and Fan, Sample Quantiles in Statistical Packages (1996): with the nine answers of the
    default suites one slow answer among fast ones weighs about half, where the nearest rank would be that answer.
    """
    if not values:
        return None
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _success_rate(tried: tuple[Tried, ...], threshold: float) -> Gate:
    """An interval: what was not run counts as failed at its low end, as passed at its high end."""
    run = [one for one in tried if one.passed is not None]
    passed = sum(one.passed is True for one in run)
    open_ = len(tried) - len(run)
    if not run:
        return Gate.measured("success_rate", None, ">=", threshold, unit="%", samples=0, detail="no test was run")
    return Gate.between(
        "success_rate",
        100 * passed / len(tried),
        100 * (passed + open_) / len(tried),
        threshold,
        unit="%",
        samples=len(run),
        detail=_unmet(tried) or f"all {len(tried)} tests passed",
    )


def _critical_tests(tried: tuple[Tried, ...]) -> Gate:
    critical = tuple(one for one in tried if one.test.critical)
    failed = sum(one.passed is False for one in critical)
    run = sum(one.passed is not None for one in critical)
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


def _response_time(tried: tuple[Tried, ...], threshold: float) -> Gate:
    seconds = _seconds(tried)
    return Gate.measured(
        "response_time_p95",
        percentile(seconds, 95),
        "<=",
        threshold,
        unit=" s",
        samples=len(seconds),
        detail=f"slowest {max(seconds):.2f} s" if seconds else "nothing answered",
    )


def _seconds(tried: tuple[Tried, ...]) -> tuple[float, ...]:
    """Of each attempt that was answered, right or wrong: a retry must not hide that it was slow."""
    attempts = chain.from_iterable(one.attempts for one in tried)
    return tuple(attempt.seconds for attempt in attempts if isinstance(attempt, Answered))


def _unmet(tried: tuple[Tried, ...]) -> str:
    return "; ".join(one.sentence for one in tried if not one.passed)
