"""Which results count: what does not lead to this service, or failed before the change as well, fails nothing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from contracts.validator import Baseline, TestBefore, TestState
from services.validator.domain.results import TestResult, Unreachable

_FROM_BEST_TO_WORST: tuple[TestState, ...] = ("passed", "refused", "failed", "unreachable")
_OUT_OF_REACH = ": it cannot be reached from where Surefoot runs, and its users' traffic decides"
_AS_BEFORE = ", as before the change"
MOST_REASONS = 3
"""How many reasons a sentence lists."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """A result, and why it does not count where it does not."""

    result: TestResult
    excuse: str = ""
    """Empty where it counts."""

    @property
    def as_before(self) -> bool:
        """Whether it is bad, and was so before the change."""
        return _AS_BEFORE in self.excuse

    @property
    def counts(self) -> bool:
        return not self.excuse


def weigh(results: Iterable[TestResult], before: Baseline | None) -> tuple[Weighed, ...]:
    """Return each result with what speaks against counting it.

    Without ``before`` only those do not count that this service would not answer, or did not.
    """
    states = states_of(before)
    return tuple(Weighed(result, _excuse(result, states.get(_key(result)))) for result in results)


def should_continue(smoke: Iterable[Weighed]) -> bool:
    """Return whether the other suites are worth running: no critical smoke test failed that counts."""
    return all(
        weighed.result.passed is not False for weighed in smoke if weighed.counts and weighed.result.test.critical
    )


def excuses(results: Iterable[Weighed]) -> str:
    """Return what does not count, and why, each reason once; ``""`` where everything counts."""
    reasons = tuple(dict.fromkeys(weighed.excuse for weighed in results if weighed.excuse))
    more = len(reasons) - MOST_REASONS
    return "; ".join((*reasons[:MOST_REASONS], *((f"and {more} more",) if more > 0 else ())))


def states_of(before: Baseline | None) -> Mapping[tuple[str, str, str], TestState]:
    """Return suite, name and path of each test before the change → what became of it."""
    return {(test.suite, test.name, test.path): test.state for test in before.tests} if before else {}


def as_before(result: TestResult) -> TestBefore:
    return TestBefore(suite=result.suite, name=result.test.name, path=result.test.path, state=result.state)


def _key(result: TestResult) -> tuple[str, str, str]:
    return result.suite, result.test.name, result.test.path


def _excuse(result: TestResult, before: TestState | None) -> str:
    """Return why a result does not count; it counts if it is good, or worse than it was before the change.

    Who was out of reach, or hidden behind somebody else, was not seen to fail: then a server's error counts.
    """
    state = result.state
    if result.not_asked or (state == "elsewhere" and before in {None, "not_run"}):
        return result.sentence
    if before is None or before == "not_run":
        return f"{result.sentence}{_OUT_OF_REACH}" if _behind_internal(result) else ""
    if state == "passed" or (state == "failed" and before != "failed"):
        return ""
    if before == "elsewhere" or not _worse(state, before):
        return f"{result.sentence}{_AS_BEFORE}{_out_of_reach(result, before)}"
    return ""


def _behind_internal(result: TestResult) -> bool:
    """Return whether no attempt had a connection to an internal load balancer, which says nothing about a version."""
    last = result.attempts[-1] if result.attempts else None
    return result.state == "unreachable" and isinstance(last, Unreachable) and last.internal


def _worse(state: TestState, before: TestState) -> bool:
    """Return whether a test has a worse end than before. One that was cut off may have had no answer to come."""
    comparable: dict[TestState, TestState] = {"elsewhere": "refused", "not_run": "failed"}
    place = _FROM_BEST_TO_WORST.index
    return place(comparable.get(state, state)) > place(before)


def _out_of_reach(result: TestResult, before: TestState) -> str:
    return _OUT_OF_REACH if before == result.state == "unreachable" else ""
