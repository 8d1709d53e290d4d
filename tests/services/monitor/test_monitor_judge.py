"""Has the service kept the rules since the change? Two good points, or no verdict."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.gates import Gate, Verdict
from contracts.results import ProbesOutput
from services.monitor.domain.blind import Blind
from services.monitor.domain.judge import judge
from services.monitor.domain.metrics import LATE, MINUTE, Readings
from services.monitor.domain.pending import PendingEvaluation
from services.monitor.domain.rule_gates import TOO_FEW, UNASKED
from tests.services.monitor.harness import ALONE, GOOD_MINUTE, RULES, START, readings

SINCE = START
DEADLINE = START + 15 * MINUTE
DENIED = "CloudWatch did not answer GetMetricData: AccessDeniedException"
PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE
QUIET = {"healthy": 2.0, "cpu": 5.0, "database_errors": 0.0}


def pending(probes: ProbesOutput | None = None, since: float = SINCE) -> PendingEvaluation:
    return PendingEvaluation(command_id="c", run_id="r", since=since, deadline=DEADLINE, probes=probes)


def probed(requests: int = 12, failures: int = 0, p95: float | None = 0.3) -> ProbesOutput:
    return ProbesOutput(requests=requests, failures=failures, p95_seconds=p95)


def judged(
    seen: Readings | Blind, now: float, *, waits: PendingEvaluation | None = None, published: bool = True
) -> dict[str, Gate] | None:
    gates = judge(waits or pending(), RULES, seen, now, database_published=published)
    return None if gates is None else {gate.name: gate for gate in gates}


def evidence(gates: dict[str, Gate] | None) -> list[Gate]:
    """Return the gates that apply."""
    return [gate for gate in (gates or {}).values() if gate.not_applicable is None]


def verdicts(gates: dict[str, Gate] | None) -> dict[str, Verdict]:
    assert gates is not None
    return {name: gate.verdict for name, gate in gates.items()}


def test_two_good_minutes_after_the_change_are_enough() -> None:
    assert judged(readings(GOOD_MINUTE), START + MINUTE) is None
    gates = judged(readings(GOOD_MINUTE, GOOD_MINUTE), START + 2 * MINUTE)
    assert verdicts(gates) == dict.fromkeys(
        ("healthy_tasks", "error_rate", "response_time_p95", "database_connections", "tasks_stay_up"), PASS
    )
    assert gates is not None
    assert gates["error_rate"].arithmetic == "0% <= 10% (200 samples)"
    assert gates["healthy_tasks"].arithmetic == "2 >= 1 (2 samples)"


def test_the_minute_of_the_change_does_not_count() -> None:
    waits = pending(since=START + 10)
    assert judged(readings(GOOD_MINUTE, GOOD_MINUTE), START + 2 * MINUTE, waits=waits) is None
    assert judged(readings(*[GOOD_MINUTE] * 3), START + 3 * MINUTE, waits=waits) is not None


def test_what_was_bad_before_the_change_does_not_fail_it() -> None:
    bad = {**GOOD_MINUTE, "target_5xx": 80.0}
    seen = readings(bad, bad, bad, GOOD_MINUTE, GOOD_MINUTE, start=START - 3 * MINUTE)
    assert verdicts(judged(seen, START + 2 * MINUTE))["error_rate"] is PASS


@pytest.mark.parametrize(
    ("bad", "gate"),
    [
        ({"target_5xx": 30.0}, "error_rate"),
        ({"response_time": 6.0}, "response_time_p95"),
        ({"healthy": 0.0}, "healthy_tasks"),
        ({"database_errors": 30.0}, "database_connections"),
    ],
)
def test_a_broken_rule_fails_at_once(bad: dict[str, float], gate: str) -> None:
    seen = readings(*[{**GOOD_MINUTE, **bad}] * 2)
    gates = verdicts(judged(seen, START + 2 * MINUTE))
    assert gates[gate] is FAIL
    assert [name for name, verdict in gates.items() if verdict is FAIL] == [gate]


def test_silence_is_inconclusive_and_says_what_it_needs() -> None:
    seen = readings(*[QUIET] * 15)
    assert judged(seen, DEADLINE - 1) is None
    busy_before = readings(*[GOOD_MINUTE] * 15, *[QUIET] * 15, start=START - 15 * MINUTE)
    gates = judged(busy_before, DEADLINE)
    assert gates is not None
    assert gates["error_rate"].arithmetic == "no data, must be <= 10% (0 samples, needs 20 more)"
    assert gates["healthy_tasks"].verdict is PASS


def test_where_nobody_comes_by_before_or_since_and_no_test_can_be_sent_rules_about_requests_do_not_apply() -> None:
    seen = readings(*[QUIET] * 30, start=START - 15 * MINUTE)
    assert judged(seen, DEADLINE - 1) is None, "somebody may still come"
    gates = judged(seen, DEADLINE)
    assert gates is not None
    assert set(verdicts(gates).values()) == {PASS}
    assert {name for name, gate in gates.items() if gate.not_applicable == UNASKED} == {
        "error_rate",
        "response_time_p95",
    }
    late = readings(*[QUIET] * 14, start=START - 15 * MINUTE)
    assert verdicts(judged(late, DEADLINE))["error_rate"] is INCONCLUSIVE, "CloudWatch is late, and nobody knows"


def test_numbers_that_do_not_come_roll_nothing_back() -> None:
    gates = judged(readings(GOOD_MINUTE), DEADLINE)
    assert {gate.verdict for gate in evidence(gates)} == {INCONCLUSIVE}


def test_a_cloudwatch_that_does_not_answer_is_inconclusive_at_the_deadline_only() -> None:
    assert judged(Blind(DENIED), DEADLINE - 1) is None
    assert set(verdicts(judged(Blind(DENIED), DEADLINE)).values()) == {INCONCLUSIVE}


def test_probes_count_where_users_are_too_few() -> None:
    waits = pending(probed())
    gates = judged(readings(QUIET, QUIET), START + 2 * MINUTE, waits=waits)
    assert verdicts(gates)["error_rate"] is PASS
    assert gates is not None
    assert gates["error_rate"].samples == 12
    assert "12 requests of the validator's" in gates["error_rate"].detail
    assert gates["response_time_p95"].value == 0.3


def test_probes_wait_until_two_minutes_are_known() -> None:
    waits = pending(probed())
    assert judged(readings(QUIET), START + MINUTE, waits=waits) is None
    alone = Readings(ALONE, {"running": {START: 1.0, START + MINUTE: 1.0}, "database_errors": {}})
    assert judged(alone, START + 2 * MINUTE, waits=waits, published=False) is None
    assert judged(alone, START + 2 * MINUTE + LATE, waits=waits, published=False) is not None


def test_failing_probes_fail() -> None:
    gates = verdicts(judged(readings(QUIET, QUIET), START + 2 * MINUTE, waits=pending(probed(failures=3, p95=7.0))))
    assert gates["error_rate"] is FAIL
    assert gates["response_time_p95"] is FAIL


def test_a_handful_of_probes_is_not_enough_where_users_came_before() -> None:
    seen = readings(*[GOOD_MINUTE] * 15, QUIET, QUIET, start=START - 15 * MINUTE)
    gates = judged(seen, DEADLINE, waits=pending(probed(requests=3)))
    assert verdicts(gates)["error_rate"] is INCONCLUSIVE
    assert gates is not None
    assert gates["error_rate"].needs == 2


def test_a_handful_of_probes_is_all_that_there_is_where_nobody_ever_comes() -> None:
    nobody = readings(*[{**QUIET, "requests": 0.0}] * 30, start=START - 15 * MINUTE)
    assert judged(nobody, DEADLINE - 1, waits=pending(probed(requests=1))) is None, "somebody may still come"
    gates = judged(nobody, DEADLINE, waits=pending(probed(requests=1)))
    assert gates is not None
    assert set(verdicts(gates).values()) == {PASS}
    assert {gates[name].not_applicable for name in ("error_rate", "response_time_p95")} == {TOO_FEW}


def test_real_traffic_beats_probes() -> None:
    bad = {**GOOD_MINUTE, "target_5xx": 30.0}
    assert verdicts(judged(readings(bad, bad), START + 2 * MINUTE, waits=pending(probed())))["error_rate"] is FAIL


def test_an_application_that_never_published_its_errors_passes_and_says_so() -> None:
    silent = {name: value for name, value in GOOD_MINUTE.items() if name != "database_errors"}
    seen = readings(silent, silent)
    gates = judged(seen, START + 2 * MINUTE, published=False)
    assert gates is not None
    assert gates["database_connections"].verdict is PASS
    assert gates["database_connections"].not_applicable == "the application publishes no such errors"
    assert judged(seen, START + 2 * MINUTE, published=True) is None, "it has published before: silence is not health"


def test_without_a_load_balancer_nobody_counts_requests() -> None:
    seen = Readings(ALONE, {"running": {START: 2.0, START + MINUTE: 2.0}})
    gates = judged(seen, START + 2 * MINUTE, published=False)
    assert gates is not None
    assert {gate.verdict for gate in gates.values()} == {PASS}
    assert "nothing balances" in gates["error_rate"].detail


minute = st.fixed_dictionaries(
    {},
    optional={
        "requests": st.floats(1, 300),
        "target_5xx": st.floats(0, 300),
        "response_time": st.floats(0, 10),
        "healthy": st.sampled_from([0.0, 1.0, 2.0]),
        "database_errors": st.sampled_from([0.0, 2.0, 9.0]),
    },
)


@given(st.lists(minute, max_size=8), st.one_of(st.none(), st.builds(probed, st.integers(0, 40))))
def test_a_pass_always_rests_on_points_after_the_change(
    values: list[dict[str, float]], probes: ProbesOutput | None
) -> None:
    seen = readings(*values)
    gates = judged(seen, START + len(values) * MINUTE, waits=pending(probes))
    at_the_end = judged(seen, DEADLINE, waits=pending(probes))
    assert at_the_end is not None, "the deadline always answers"
    for gate in evidence(gates or {}):
        assert gate.needs == 0 or gate.verdict is INCONCLUSIVE
        if gate.verdict is PASS:
            assert gate.samples >= 2
            assert len(values) >= 2


def test_a_cloudwatch_that_is_late_is_not_a_service_without_users() -> None:
    late = readings(GOOD_MINUTE, start=START - MINUTE)
    assert judged(late, START + 4 * MINUTE + LATE, waits=pending(probed())) is None
    gates = judged(late, DEADLINE, waits=pending(probed()))
    assert gates is not None
    assert verdicts(gates)["response_time_p95"] is INCONCLUSIVE
    assert verdicts(gates)["error_rate"] is INCONCLUSIVE


def test_where_aws_does_not_say_where_tests_can_be_sent_silence_is_no_verdict_and_says_why() -> None:
    why = "how users reach the service is not known: Elastic Load Balancing did not answer DescribeRules: AccessDenied"
    unsent = ProbesOutput(requests=0, failures=0, p95_seconds=None, unsent=why)
    gates = judged(readings(*[QUIET] * 30, start=START - 15 * MINUTE), DEADLINE, waits=pending(unsent))
    assert gates is not None
    assert gates["error_rate"].verdict is INCONCLUSIVE
    assert gates["error_rate"].detail == f"users sent 0, and no test was sent: {why}"
