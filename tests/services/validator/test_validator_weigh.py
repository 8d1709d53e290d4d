"""What fails before and after a change fails nothing; what got worse does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.gates import Gate, Verdict, worst
from contracts.policy_tests import SMOKE, HttpTest, Tests
from contracts.results import ProbesOutput
from contracts.validator import Baseline, TestState
from services.validator.domain.judge import NOISE, baseline, judge, probes, summary
from services.validator.domain.results import Answered, Attempt, Silent, TestResult, Unreachable
from services.validator.domain.weigh import excuses, should_continue, weigh

DEFAULTS = Tests()
RIGHT, MISSING, BROKEN, HANGS = Answered(200, 0.1), Answered(404, 0.1), Answered(500, 0.1), Silent("no answer in 10 s")
AWAY = Answered(302, 0.1, leads_away=True)
LOST = Unreachable("no connection to the internal load balancer court")
STATES: tuple[TestState, ...] = ("passed", "refused", "failed", "unreachable", "elsewhere", "not_run")
OF_STATE: dict[TestState, tuple[Attempt, ...]] = {
    "passed": (RIGHT,),
    "refused": (MISSING,),
    "failed": (BROKEN,),
    "unreachable": (LOST, LOST),
    "elsewhere": (AWAY,),
    "not_run": (),
}


def tried(*attempts: Attempt, name: str = "health", critical: bool = True, not_asked: str = "") -> TestResult:
    return TestResult("smoke", HttpTest(name=name, path=f"/{name}", critical=critical), attempts, not_asked)


def before(*results: TestResult) -> Baseline:
    return baseline(results, weigh(results, None))


def judged(after: tuple[TestResult, ...], was: Baseline | None) -> dict[str, Gate]:
    return {gate.name: gate for gate in judge(weigh(after, was), DEFAULTS, was)}


@pytest.mark.parametrize("state", STATES)
def test_what_became_of_a_test(state: TestState) -> None:
    assert tried(*OF_STATE[state]).state == state


def test_one_attempt_with_a_connection_is_enough_to_judge() -> None:
    assert tried(HANGS, LOST).state == "failed"
    assert tried(LOST, RIGHT).state == "passed"
    assert tried(RIGHT, not_asked="a login stands in front").state == "elsewhere"


@pytest.mark.parametrize(
    ("was", "counts"),
    [
        (None, {"passed", "refused", "failed", "unreachable", "not_run"}),
        ("not_run", {"passed", "refused", "failed", "unreachable", "not_run"}),
        ("passed", {"passed", "refused", "failed", "unreachable", "elsewhere", "not_run"}),
        ("refused", {"passed", "failed", "unreachable", "not_run"}),
        ("failed", {"passed", "unreachable"}),
        ("unreachable", {"passed", "failed"}),
        ("elsewhere", {"passed", "failed"}),
    ],
)
def test_what_counts_after_what_was_before(was: TestState | None, counts: set[TestState]) -> None:
    known = before(tried(*OF_STATE[was])) if was else None
    (found,) = ([state for state in STATES if weigh((tried(*OF_STATE[state]),), known)[0].counts],)
    assert set(found) == counts


@given(
    st.lists(st.tuples(st.sampled_from(STATES), st.sampled_from(STATES), st.booleans()), min_size=1, max_size=9),
)
def test_nothing_that_failed_before_as_well_ever_fails_the_validation(
    tests: list[tuple[TestState, TestState, bool]],
) -> None:
    """A failing gate needs a test that worked before, or answered less badly, or whose state before is not known."""
    was = before(*(tried(*OF_STATE[old], name=f"t{number}") for number, (old, _, _) in enumerate(tests)))
    after = tuple(
        tried(*OF_STATE[new], name=f"t{number}", critical=critical) for number, (_, new, critical) in enumerate(tests)
    )
    failed = worst(gate.verdict for gate in judged(after, was).values()) is Verdict.FAIL
    better = ("passed", "refused", "failed", "unreachable")
    worse = [
        old == "not_run"
        or (old != "failed" and new == "failed")
        or (old in better and new in better and better.index(new) > better.index(old))
        or (old == "passed" and new == "elsewhere")
        for old, new, _ in tests
    ]
    assert not failed or any(worse)


def test_paths_that_the_application_never_had_are_findings() -> None:
    tests = tuple(tried(MISSING, name=name) for name in ("health", "startup", "api"))
    gates = judged(tests, before(*tests))
    assert {gate.verdict for gate in gates.values()} == {Verdict.PASS}
    assert gates["success_rate"].not_applicable
    assert gates["critical_tests"].not_applicable
    assert gates["response_time_p95"].not_applicable is None  # it does answer, and in time
    told = summary(weigh(tests, before(*tests)))
    assert told.startswith(
        "3 of 3 do not count: health: GET /health: answered 404, expected 200 (1 attempt), as before"
    )


def test_without_a_baseline_each_test_counts_as_it_is() -> None:
    assert judged((tried(MISSING),), None)["critical_tests"].verdict is Verdict.FAIL
    assert judged((tried(LOST),), None)["critical_tests"].verdict is Verdict.FAIL


def test_an_internal_load_balancer_out_of_reach_fails_nothing_where_nobody_looked_before() -> None:
    lost = tried(Unreachable("no connection to the internal load balancer court", internal=True))
    gates = judged((lost,), None)
    assert {gate.verdict for gate in gates.values()} == {Verdict.PASS}
    assert all(gate.not_applicable and "cannot be reached" in gate.not_applicable for gate in gates.values())
    assert judged((tried(BROKEN),), None)["critical_tests"].verdict is Verdict.FAIL


@pytest.mark.parametrize("was", [LOST, AWAY])
def test_a_server_s_error_counts_where_the_version_before_was_not_seen_to_fail(was: Attempt) -> None:
    assert judged((tried(BROKEN),), before(tried(was)))["critical_tests"].verdict is Verdict.FAIL
    assert judged((tried(MISSING),), before(tried(was)))["critical_tests"].verdict is Verdict.PASS


def test_one_test_that_got_worse_fails_beside_many_that_never_worked() -> None:
    never = tuple(tried(MISSING, name=f"never{number}") for number in range(8))
    gates = judged((*never, tried(BROKEN)), before(*never, tried(RIGHT)))
    assert (gates["success_rate"].verdict, gates["critical_tests"].verdict) == (Verdict.FAIL, Verdict.FAIL)
    assert "not counted: never0" in gates["success_rate"].detail


def test_what_was_out_of_reach_before_is_not_broken_and_what_was_reached_is() -> None:
    lost = tuple(tried(LOST, name=name) for name in ("health", "startup"))
    gates = judged(lost, before(*lost))
    assert all(gate.not_applicable for gate in gates.values())
    assert "internal load balancer court" in gates["critical_tests"].detail
    assert (
        "cannot be reached from where Surefoot runs, and its users' traffic decides" in gates["critical_tests"].detail
    )
    reached = before(*(tried(RIGHT, name=name) for name in ("health", "startup")))
    assert judged(lost, reached)["critical_tests"].verdict is Verdict.FAIL


def test_answers_of_somebody_else_count_for_nothing() -> None:
    why = "the listener's rules send GET /health to another service"
    elsewhere = tuple(tried(name=name, not_asked=why) for name in ("health", "startup"))
    login = tried(AWAY, name="docs")
    gates = judged((*elsewhere, login), None)
    assert all(gate.not_applicable for gate in gates.values())
    assert gates["success_rate"].detail == (
        f"health: {why}; startup: {why}; docs: GET /docs: answered by a redirect to another host (1 attempt)"
    )
    assert probes(weigh((*elsewhere, login), None)) is None
    some = judged((*elsewhere, tried(RIGHT, name="orders")), None)
    assert (some["success_rate"].value, some["success_rate"].samples) == (100, 1)
    assert some["critical_tests"].verdict is Verdict.PASS


def test_no_gate_applies_where_only_other_tests_are_left_out() -> None:
    """Else a validation that saw nothing would prove a deployment."""
    gates = judged((tried(critical=False, not_asked="nobody is there"),), None)
    assert all(gate.not_applicable == "health: nobody is there" for gate in gates.values())


def test_a_login_that_was_not_there_before_is_worse() -> None:
    assert judged((tried(AWAY),), before(tried(RIGHT)))["critical_tests"].verdict is Verdict.FAIL
    assert judged((tried(AWAY),), before(tried(AWAY)))["critical_tests"].not_applicable


def test_a_service_that_was_too_slow_before_may_stay_so_and_not_get_slower() -> None:
    def slow(seconds: float) -> tuple[TestResult, ...]:
        return (tried(Answered(200, seconds)),)

    gate = judged(slow(7.0), before(*slow(6.0)))["response_time_p95"]
    assert (gate.verdict, gate.threshold) == (Verdict.PASS, NOISE * 6.0)
    assert "above the limit of 5 s before the change, too: 6.00 s" in gate.detail
    assert judged(slow(9.1), before(*slow(6.0)))["response_time_p95"].verdict is Verdict.FAIL
    assert judged(slow(5.1), before(*slow(4.9)))["response_time_p95"].verdict is Verdict.FAIL
    assert judged(slow(7.0), None)["response_time_p95"].verdict is Verdict.FAIL


def test_probes_are_what_tells_of_this_service() -> None:
    """An answer 404 as before is an answer; errors as before are neither samples nor failures."""
    tests = (tried(MISSING, name="a"), tried(BROKEN, BROKEN, name="b"), tried(RIGHT, name="c"))
    assert probes(weigh(tests, before(*tests))) == ProbesOutput(requests=2, failures=0, p95_seconds=0.1)
    assert probes(weigh(tests, None)) == ProbesOutput(requests=4, failures=3, p95_seconds=0.1)


def test_a_critical_test_that_failed_before_too_does_not_keep_the_rest_from_being_run() -> None:
    smoke = (tried(MISSING), tried(RIGHT, name="docs", critical=False))
    assert not should_continue(weigh(smoke, None))
    assert should_continue(weigh(smoke, before(*smoke)))


def test_the_baseline_says_what_it_saw() -> None:
    found = before(tried(RIGHT, name="a"), tried(LOST, name="b"), tried(name="c", not_asked="a login stands in front"))
    assert [(test.name, test.state) for test in found.tests] == [
        ("a", "passed"),
        ("b", "unreachable"),
        ("c", "elsewhere"),
    ]
    assert found.summary == (
        "1 of 2 tests passed; 1 of 3 do not count: c: a login stands in front; "
        "b: GET /b: no connection to the internal load balancer court (1 attempt)"
    )
    assert found.p95_seconds == 0.1


def test_a_policy_with_many_tests_makes_no_endless_sentence() -> None:
    results = tuple(tried(name=f"t{number}", not_asked="no") for number in range(40))
    assert excuses(weigh(results, None)) == "t0: no; t1: no; t2: no; and 37 more"


def test_a_test_is_known_again_by_suite_name_and_path() -> None:
    was = before(*(TestResult("smoke", test, (MISSING,)) for test in SMOKE))
    moved = HttpTest(name=SMOKE[0].name, path="/elsewhere", critical=True)
    assert weigh((TestResult("smoke", moved, (MISSING,)),), was)[0].counts
