"""Answers of a service become verdicts."""

from statistics import quantiles

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.deployment import Cause
from contracts.gates import Gate, Verdict, worst
from contracts.policy_tests import HttpTest, Tests
from services.validator.domain.judge import cause, judge, percentile, probes, summary
from services.validator.domain.results import Answered, Attempt, Silent, TestResult
from services.validator.domain.weigh import should_continue, weigh

DEFAULTS = Tests()


def tried(*attempts: Attempt, critical: bool = False, name: str = "health") -> TestResult:
    return TestResult("smoke", HttpTest(name=name, path=f"/{name}", critical=critical), attempts)


def good(count: int, seconds: float = 0.1) -> tuple[TestResult, ...]:
    return tuple(tried(Answered(200, seconds), name=f"good{number}") for number in range(count))


def judged(*tests: TestResult) -> dict[str, Gate]:
    return {gate.name: gate for gate in judge(weigh(tests, None), DEFAULTS)}


def test_all_well() -> None:
    gates = judged(*good(8), tried(Answered(200, 0.2), critical=True))
    assert [gate.verdict for gate in gates.values()] == [Verdict.PASS] * 3
    assert gates["success_rate"].value == 100
    assert gates["critical_tests"].value == 0


def test_nine_of_ten_is_enough_and_eight_of_nine_is_not() -> None:
    failed = tried(Answered(500, 0.1))
    assert judged(*good(9), failed)["success_rate"].verdict is Verdict.PASS
    gate = judged(*good(8), failed)["success_rate"]
    assert gate.verdict is Verdict.FAIL
    assert gate.value == pytest.approx(88.9, abs=0.1)
    assert "GET /health: answered 500, expected 200 (1 attempt)" in gate.detail


def test_one_critical_failure_fails_whatever_the_rate() -> None:
    gates = judged(*good(99), tried(Silent("no connection"), critical=True))
    assert gates["success_rate"].verdict is Verdict.PASS
    assert gates["critical_tests"].verdict is Verdict.FAIL
    assert gates["critical_tests"].value == 1
    assert "no connection" in gates["critical_tests"].detail


def test_a_retry_that_succeeds_passes_but_stays_on_the_record() -> None:
    saved = tried(Answered(503, 9.0), Silent("no answer in 10 s"), Answered(200, 0.1), critical=True)
    gates = judged(saved)
    assert gates["critical_tests"].verdict is Verdict.PASS
    assert gates["response_time_p95"].verdict is Verdict.FAIL  # its first answer took nine seconds
    assert gates["response_time_p95"].samples == 2
    output = probes(weigh((saved,), None))
    assert output is not None
    assert (output.requests, output.failures) == (3, 2)


def test_slow_answers_fail_though_they_are_right() -> None:
    gates = judged(*good(9, seconds=6.0))
    assert gates["success_rate"].verdict is Verdict.PASS
    assert gates["response_time_p95"].verdict is Verdict.FAIL
    assert judged(*good(9, seconds=5.0))["response_time_p95"].verdict is Verdict.PASS


def test_what_was_not_run_leaves_it_open_unless_it_cannot_matter() -> None:
    assert judged(*good(8), tried())["success_rate"].verdict is Verdict.INCONCLUSIVE
    assert judged(*good(19), tried())["success_rate"].verdict is Verdict.PASS
    failed = tuple(tried(Silent("no connection"), name=f"bad{number}") for number in range(3))
    assert judged(*good(8), *failed, tried())["success_rate"].verdict is Verdict.FAIL


def test_a_critical_test_that_was_not_run_is_open_and_a_failed_one_decides() -> None:
    not_run = tried(critical=True)
    gate = judged(*good(9), not_run)["critical_tests"]
    assert (gate.verdict, gate.needs) == (Verdict.INCONCLUSIVE, 1)
    failed = tried(Answered(500, 0.1), critical=True)
    assert judged(not_run, failed)["critical_tests"].verdict is Verdict.FAIL


def test_nothing_run_is_no_verdict() -> None:
    gates = judge(weigh((tried(critical=True), tried()), None), DEFAULTS)
    assert worst(gate.verdict for gate in gates) is Verdict.INCONCLUSIVE
    assert worst(gate.verdict for gate in judge((), DEFAULTS)) is Verdict.INCONCLUSIVE


def test_suites_without_critical_tests_are_judged_by_the_rest() -> None:
    assert judged(*good(3))["critical_tests"].verdict is Verdict.PASS


def test_only_a_failed_critical_smoke_test_stops_the_rest() -> None:
    assert should_continue(weigh((*good(1), tried(Answered(404, 0.1))), None))
    assert not should_continue(weigh((*good(1), tried(Answered(404, 0.1), critical=True)), None))


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [(Verdict.PASS, None), (Verdict.FAIL, Cause.GATE), (Verdict.INCONCLUSIVE, Cause.TIMEOUT)],
)
def test_cause(verdict: Verdict, expected: Cause | None) -> None:
    assert cause(verdict) is expected


def test_the_summary_counts_and_shows_the_arithmetic() -> None:
    tests = weigh((*good(8), tried(Answered(500, 0.1))), None)
    text = summary(tests, judge(tests, DEFAULTS))
    assert text.startswith("8 of 9 tests passed; success_rate 88.8889%, must be >= 90%")


@given(st.lists(st.floats(0, 100), min_size=2, max_size=50))
def test_percentile_agrees_with_the_standard_library(values: list[float]) -> None:
    expected = quantiles(values, n=100, method="inclusive")[94]
    assert percentile(tuple(values), 95) == pytest.approx(expected)


def test_percentile_of_little() -> None:
    assert percentile((), 95) is None
    assert percentile((3.0,), 95) == 3.0


outcome = st.sampled_from([(), (Answered(200, 0.1),), (Answered(500, 0.1),), (Silent("no connection"),)])


@given(st.lists(st.tuples(outcome, st.booleans()), max_size=12))
def test_time_can_only_settle_what_was_open(outcomes: list[tuple[tuple[Attempt, ...], bool]]) -> None:
    """Running what was not run never turns a pass into a fail, or back."""
    before = tuple(tried(*attempts, critical=critical) for attempts, critical in outcomes)
    for ending in (Answered(200, 0.1), Answered(500, 0.1)):
        after = tuple(
            result if result.attempts else TestResult(result.suite, result.test, (ending,)) for result in before
        )
        for early, late in zip(_two_gates(before), _two_gates(after), strict=True):
            assert early.verdict in {late.verdict, Verdict.INCONCLUSIVE}


def _two_gates(results: tuple[TestResult, ...]) -> tuple[Gate, ...]:
    return judge(weigh(results, None), DEFAULTS)[:2]
