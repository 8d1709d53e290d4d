"""The gates that compare the new version with the one before, on readings of every kind of service."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from contracts.gates import Gate, Verdict
from contracts.monitor import DependencyFault
from contracts.policy import Worsening
from contracts.troubles import Trouble
from services.monitor.domain.compared import compared_gates
from services.monitor.domain.comparison.span import GoodStart, Span
from services.monitor.domain.judge import judge
from services.monitor.domain.metrics import MINUTE, TARGET_5XX, Readings
from services.monitor.domain.pending import PendingEvaluation
from services.monitor.domain.trouble import Troubles
from services.monitor.domain.watched_service import WatchedService
from tests.services.monitor.harness import ALONE, BALANCED, GOOD_MINUTE, RULES, START, readings

BEFORE = 60
ASKED_AT = START + BEFORE * MINUTE
DEADLINE = ASKED_AT + 15 * MINUTE
NOTHING: Mapping[str, float] = {}
ROLLING = 3
"""Minutes between the change and the evaluation."""
PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE
ERRORS, LATENCY, CPU, MEMORY, THROUGHPUT = (
    f"{metric}_compared" for metric in ("error_rate", "response_time", "cpu", "memory", "throughput")
)


def noisy(minute: int, **values: float) -> dict[str, float]:
    """Return a good minute whose values differ a little from those of others."""
    swing = (minute * 7 % 11 - 5) / 100
    good = {**GOOD_MINUTE, "target_5xx": float(minute % 2), **values}
    whole = {"target_5xx", "healthy", "running", "database_errors"}
    return {name: value if name in whole else value * (1 + swing) for name, value in good.items()}


def seen(
    worse: Mapping[str, float] = NOTHING, *, after: int = 15, before: int = BEFORE, of: WatchedService = BALANCED
) -> Readings:
    """Return ``before`` good minutes until ``ASKED_AT``, and ``after`` since, in which some values are worse."""
    minutes = [noisy(minute) for minute in range(before)] + [noisy(minute, **worse) for minute in range(after)]
    return readings(*minutes, start=ASKED_AT - before * MINUTE, of=of)


def gates(found: Readings, policy: Worsening | None = None, *, minutes: int = 15, last: bool = True) -> dict[str, Gate]:
    span = Span(ASKED_AT - ROLLING * MINUTE, ASKED_AT, DEADLINE, ASKED_AT + minutes * MINUTE)
    return {gate.name: gate for gate in compared_gates(found, policy or Worsening(), span, rest_is_done=last)}


def test_a_version_that_is_like_the_one_before_passes_with_its_arithmetic() -> None:
    found = gates(seen())
    assert {name: gate.verdict for name, gate in found.items()} == dict.fromkeys(
        (ERRORS, LATENCY, CPU, MEMORY, THROUGHPUT), PASS
    )
    assert found[LATENCY].arithmetic == "0 s < 0.1 s (15 samples)"
    assert "57 min before" in found[LATENCY].detail
    assert "does not prove a worsening" in found[LATENCY].detail


@pytest.mark.parametrize(
    ("worse", "gate"),
    [
        ({"target_5xx": 4.0}, ERRORS),
        ({"response_time": 0.4}, LATENCY),
        ({"cpu": 70.0}, CPU),
        ({"memory": 75.0}, MEMORY),
        ({"requests": 5.0, "target_5xx": 0.0}, THROUGHPUT),
    ],
)
def test_what_has_become_worse_fails_its_own_gate(worse: dict[str, float], gate: str) -> None:
    found = gates(seen(worse))
    assert [name for name, found_gate in found.items() if found_gate.verdict is FAIL] == [gate]
    assert "proves a worsening" in found[gate].detail


@pytest.mark.parametrize(
    ("other", "gate"),
    [
        ({"response_time": 0.25}, LATENCY),
        ({"cpu": 55.0}, CPU),
        ({"memory": 60.0}, MEMORY),
        ({"requests": 70.0}, THROUGHPUT),
        ({"response_time": 0.1, "cpu": 20.0, "memory": 20.0, "requests": 300.0}, LATENCY),
    ],
)
def test_what_is_a_little_worse_or_better_passes(other: dict[str, float], gate: str) -> None:
    found = gates(seen(other))
    assert not [name for name, found_gate in found.items() if found_gate.verdict is not PASS]


def test_a_sentence_says_that_a_small_rise_is_proven_and_small() -> None:
    gate = gates(seen({"cpu": 55.0}))[CPU]
    assert "proves a worsening" in gate.detail
    assert gate.value is not None
    assert 10 < gate.value < 20


def test_more_load_of_each_task_explains_more_cpu() -> None:
    assert gates(seen({"cpu": 80.0, "requests": 200.0}))[CPU].verdict is PASS
    assert gates(seen({"cpu": 80.0, "healthy": 1.0}))[CPU].verdict is PASS, "half of the tasks do all the work"
    assert gates(seen({"cpu": 80.0, "running": 1.0}, of=ALONE))[CPU].verdict is PASS
    assert gates(seen({"cpu": 80.0}, of=ALONE))[CPU].verdict is FAIL


def test_a_service_without_a_load_balancer_is_compared_by_what_there_is() -> None:
    only = {name: value for name, value in GOOD_MINUTE.items() if name in {"cpu", "memory", "running"}}
    found = gates(readings(*[only] * (BEFORE + 15), start=START, of=ALONE))
    assert [name for name, gate in found.items() if gate.not_applicable] == [ERRORS, LATENCY, THROUGHPUT]
    assert {gate.verdict for gate in found.values()} == {PASS}


@pytest.mark.parametrize("before", [0, 10])
def test_a_service_that_is_new_has_nothing_to_be_compared_with(before: int) -> None:
    found = gates(seen({"response_time": 3.0, "cpu": 90.0}, before=before))
    assert all(gate.verdict is PASS and gate.not_applicable for gate in found.values())
    assert "minutes before the change" in found[LATENCY].detail


def test_a_service_with_a_request_now_and_then_is_not_waited_for() -> None:
    quiet = {"healthy": 2.0, "cpu": 5.0, "memory": 50.0}
    minutes = [{**quiet, **({"requests": 2.0, "response_time": 0.1} if at % 3 == 0 else {})} for at in range(BEFORE)]
    found = gates(readings(*minutes, *[quiet] * 15, start=START))
    assert [name for name, gate in found.items() if gate.not_applicable] == [ERRORS, LATENCY, THROUGHPUT]
    assert {gate.verdict for gate in found.values()} == {PASS}


def test_no_point_since_the_change_is_inconclusive() -> None:
    found = gates(seen(after=0))
    assert {gate.verdict for gate in found.values()} == {INCONCLUSIVE}
    assert found[ERRORS].needs == 1


def test_requests_that_stop_are_seen_where_targets_are_counted_and_metrics_come() -> None:
    quiet = {"healthy": 2.0, "cpu": 5.0, "memory": 50.0}
    minutes = [noisy(minute) for minute in range(BEFORE)] + [quiet] * 15
    found = gates(readings(*minutes, start=START))
    assert found[THROUGHPUT].verdict is FAIL
    assert found[ERRORS].verdict is INCONCLUSIVE


def test_a_few_minutes_need_a_great_difference() -> None:
    early = gates(seen({"response_time": 9.0, "target_5xx": 7.0}, after=2), last=False, minutes=2)
    assert (early[LATENCY].verdict, early[LATENCY].needs) == (INCONCLUSIVE, 1), "two minutes more have no such rank"
    assert early[ERRORS].verdict is FAIL
    slow = gates(seen({"response_time": 0.35, "target_5xx": 2.0}, after=5), last=False, minutes=5)
    assert slow[ERRORS].verdict is INCONCLUSIVE, "five minutes do not prove so few errors more"
    assert gates(seen({"response_time": 9.0}, after=10), last=False, minutes=10)[LATENCY].verdict is FAIL


def test_a_rise_that_would_matter_is_watched_until_it_is_proven_or_the_deadline_has_come() -> None:
    found = gates(seen({"target_5xx": 2.0}, after=6), minutes=6)[ERRORS]
    assert (found.verdict, found.needs) == (INCONCLUSIVE, 4)
    assert found.detail.startswith("it would matter and is not proven yet: 1.996% in 5 min since the change, ")
    assert gates(seen({"target_5xx": 2.0}, after=14), minutes=14)[ERRORS].verdict is FAIL
    some = {"requests": 10.0, "target_5xx": 0.05}
    minutes = [noisy(minute, **some) for minute in range(BEFORE)] + [noisy(0, **some | {"target_5xx": 0.2})] * 15
    few = readings(*minutes, start=START)
    assert gates(few, minutes=14)[ERRORS].verdict is INCONCLUSIVE
    assert gates(few, minutes=15)[ERRORS].verdict is PASS, "the deadline ends all waiting"
    assert gates(seen({"target_5xx": 0.9}, after=6), minutes=6)[ERRORS].verdict is PASS, "it would not matter"


def test_the_policy_says_what_is_compared_and_what_matters() -> None:
    worse = seen({"response_time": 0.4, "memory": 75.0})
    assert gates(worse, Worsening(enabled=False)) == {}
    assert LATENCY not in gates(worse, Worsening(response_time_factor=None))
    assert gates(worse, Worsening(response_time_factor=3))[LATENCY].verdict is PASS
    assert gates(worse, Worsening(memory_points=40))[MEMORY].verdict is PASS
    nothing: dict[str, Any] = dict.fromkeys(
        ("error_rate_points", "response_time_factor", "cpu_points", "memory_points", "throughput_percent")
    )
    assert gates(worse, Worsening(**nothing)) == {}


def judged(found: Readings, now: float, **more: Any) -> dict[str, Gate] | None:
    pending = PendingEvaluation(
        command_id="c",
        run_id="r",
        since=ASKED_AT - ROLLING * MINUTE,
        asked_at=ASKED_AT,
        deadline=DEADLINE,
        not_before=more.pop("not_before", None),
    )
    answer = judge(pending, RULES, found, now, database_published=True, comparison=Worsening(), **more)
    return None if answer is None else {gate.name: gate for gate in answer}


def test_errors_below_every_limit_fail_an_evaluation_that_bakes() -> None:
    worse = seen({"target_5xx": 6.0}, after=9)
    answer = judged(worse, ASKED_AT + 9 * MINUTE, not_before=DEADLINE)
    assert answer is not None
    assert answer[ERRORS].verdict is FAIL
    assert answer["error_rate"].verdict is INCONCLUSIVE, "six per cent are within the limit"


FAULT = DependencyFault(name="db", detail="the database db is rebooting")


def away(begins: float, until: float) -> Troubles:
    return Troubles(known=(Trouble(fault=FAULT, begins=begins, until=until, lasting=False),))


def test_what_got_worse_only_while_the_database_was_in_trouble_is_not_held_against_the_change() -> None:
    answer = judged(seen({"target_5xx": 6.0}, after=15), DEADLINE, troubles=away(0.0, DEADLINE))
    assert answer is not None
    assert answer[ERRORS].verdict is INCONCLUSIVE, "it was in trouble all the time"
    assert answer[ERRORS].detail == FAULT.detail
    assert answer[MEMORY].verdict is PASS, "what is no worse in its time is no worse"
    found = seen(after=12)
    bad = {ASKED_AT + minute * MINUTE: 30.0 for minute in range(1, 6)}
    found = replace(found, series={**found.series, "target_5xx": {**found.of(TARGET_5XX), **bad}})
    now, trouble = ASKED_AT + 12 * MINUTE, away(ASKED_AT + MINUTE, ASKED_AT + 6 * MINUTE)
    blamed, spared = judged(found, now), judged(found, now, troubles=trouble)
    assert blamed is not None
    assert blamed[ERRORS].verdict is FAIL
    assert spared is None or spared[ERRORS].verdict is PASS
    worse = judged(seen({"target_5xx": 6.0}, after=15), DEADLINE, troubles=trouble)
    assert worse is not None
    assert worse[ERRORS].verdict is FAIL, "it is worse without these minutes, too"


def test_an_answer_is_given_early_unless_a_worsening_may_still_be_proven() -> None:
    assert judged(seen(after=2), ASKED_AT + 1 * MINUTE) is not None, "two good points since the change are enough"
    grave = judged(seen({"target_5xx": 9.0}, after=2), ASKED_AT + 2 * MINUTE)
    assert grave is not None
    assert grave[ERRORS].verdict is FAIL
    assert judged(seen({"target_5xx": 2.0}, after=2), ASKED_AT + 2 * MINUTE) is None


def test_a_service_that_wants_no_task_is_compared_with_nothing() -> None:
    """What its load balancer answers meanwhile says nothing of a version."""
    found = gates(seen({"balancer_5xx": 90.0}, of=BALANCED.model_copy(update={"wanted": 0})))
    assert {gate.not_applicable for gate in found.values()} == {"the service wants no task"}


COLD = {"response_time": 0.9, "target_5xx": 6.0, "cpu": 70.0}
DAYS_AGO = ASKED_AT - 3 * 86_400


def start(worse: Mapping[str, float] = NOTHING, *, ago: float = 0.0, after: int = 15, **more: float) -> GoodStart:
    """Return an earlier deployment after which some values were worse than usual; it took over as fast as this one."""
    minutes = [noisy(minute, **{**worse, **more}) for minute in range(after)]
    return GoodStart(DAYS_AGO - ROLLING * MINUTE - ago, readings(*minutes, start=DAYS_AGO - ago))


def beside(found: Readings, *starts: GoodStart, minutes: int = 15, last: bool = True) -> dict[str, Gate]:
    span = Span(ASKED_AT - ROLLING * MINUTE, ASKED_AT, DEADLINE, ASKED_AT + minutes * MINUTE)
    return {gate.name: gate for gate in compared_gates(found, Worsening(), span, rest_is_done=last, starts=starts)}


def test_what_is_as_bad_as_at_earlier_starts_is_a_finding_with_its_arithmetic() -> None:
    found = beside(seen(COLD), start(COLD))
    assert {gate.verdict for gate in found.values()} == {PASS}
    assert [name for name, gate in found.items() if gate.found] == [ERRORS, LATENCY, CPU]
    assert (
        "0.918 s in the same minutes (6 with a value) after the last good deployments (2025-11-21"
        in found[LATENCY].detail
    )
    assert "which does not prove a worse start" in found[LATENCY].detail
    assert found[MEMORY].found is None


def test_what_is_worse_than_before_and_than_at_earlier_starts_fails() -> None:
    found = beside(seen({"response_time": 2.0, "target_5xx": 20.0, "cpu": 95.0}), start(COLD))
    assert [name for name, gate in found.items() if gate.verdict is FAIL] == [ERRORS, LATENCY, CPU]
    assert "which proves that it is worse than then, too" in found[LATENCY].detail


def test_a_start_that_was_as_good_as_ever_excuses_nothing() -> None:
    found = beside(seen(COLD), start(), start(ago=86_400))
    assert [name for name, gate in found.items() if gate.verdict is FAIL] == [ERRORS, LATENCY, CPU]
    assert "2025-11-20" in found[LATENCY].detail
    assert "2025-11-21" in found[LATENCY].detail


def test_a_version_that_stays_slow_when_others_had_long_been_warm_is_found_in_the_newest_minutes() -> None:
    warm = [noisy(minute, **(COLD if minute < 8 else {})) for minute in range(15)]
    then = GoodStart(DAYS_AGO - ROLLING * MINUTE, readings(*warm, start=DAYS_AGO))
    found = beside(seen(COLD), then)
    assert found[LATENCY].verdict is FAIL
    assert found[LATENCY].samples == 6
    assert beside(seen({**COLD, "response_time": 0.2}), then)[LATENCY].verdict is PASS


def test_minutes_that_are_too_few_to_tell_are_waited_for_until_the_deadline() -> None:
    """The same in the first two minutes of one earlier start: no test could tell it from a worse one."""
    early = beside(seen(COLD, after=2), start(COLD, after=2), minutes=2)
    assert early[LATENCY].verdict is INCONCLUSIVE
    assert "too few to tell" in early[LATENCY].detail
    later = beside(seen(COLD, after=8), start(COLD, after=8), minutes=8)
    assert (later[LATENCY].verdict, bool(later[LATENCY].found)) == (PASS, True)
    over = Span(ASKED_AT - ROLLING * MINUTE, ASKED_AT, ASKED_AT + 3 * MINUTE, ASKED_AT + 3 * MINUTE)
    slow = seen({"response_time": 3.0}, after=3)
    last = compared_gates(slow, Worsening(), over, rest_is_done=True, starts=[start(COLD, after=2)])
    assert {gate.name for gate in last if gate.verdict is FAIL} == {LATENCY}, "then the minutes before decide alone"


@pytest.mark.parametrize("requests", [30.0, 300.0])
def test_a_start_at_another_load_says_nothing(requests: float) -> None:
    """A day at noon is no night."""
    found = beside(seen({"response_time": 0.9}), start(COLD, requests=requests, target_5xx=0.0))
    assert found[LATENCY].verdict is FAIL
    assert "same minutes" not in found[LATENCY].detail


def test_a_start_of_which_nothing_is_known_any_more_says_nothing() -> None:
    gone = GoodStart(DAYS_AGO, readings())
    assert beside(seen(COLD), gone)[LATENCY].verdict is FAIL


def test_a_worker_that_warms_up_is_compared_by_its_processor_alone() -> None:
    alone = {"cpu": 90.0, "memory": 50.0, "running": 2.0}
    then = GoodStart(DAYS_AGO - ROLLING * MINUTE, readings(*[alone] * 15, start=DAYS_AGO, of=ALONE))
    cold = seen({"cpu": 90.0}, of=ALONE)
    assert beside(cold)[CPU].verdict is FAIL
    excused = beside(cold, then)[CPU]
    assert (excused.verdict, bool(excused.found)) == (PASS, True)


def test_the_minutes_of_a_failed_attempt_are_not_those_of_the_version_before() -> None:
    """An attempt that was three times as slow lived until two minutes before its retry."""
    slow = {"response_time": 0.6}
    old = [noisy(minute, **(slow if 30 <= minute < 55 else {})) for minute in range(BEFORE)]
    found = readings(*old, *[noisy(minute, **slow) for minute in range(15)], start=START)
    end = ASKED_AT - 5 * MINUTE
    for attempts, verdict in (((), PASS), (((end - 25 * MINUTE, end),), FAIL)):
        span = Span(ASKED_AT, ASKED_AT, DEADLINE, DEADLINE, attempts)
        gate = {gate.name: gate for gate in compared_gates(found, Worsening(), span, rest_is_done=True)}[LATENCY]
        assert gate.verdict is verdict
        assert gate.not_applicable is None, "a minute that is left out is not missing"
