"""Whose a broken rule is: the new version's, or that of the version before."""

from dataclasses import replace

import pytest

from contracts.gates import Gate, Verdict
from services.monitor.domain.alerts import Alert, AlertState, Charge, step
from services.monitor.domain.attribute import attribution
from services.monitor.domain.before import BASELINE, before
from services.monitor.domain.judge import judge
from services.monitor.domain.metrics import MINUTE, Readings
from services.monitor.domain.pending import PendingEvaluation
from services.monitor.domain.rollout import Rollout
from services.monitor.domain.rules import RuleState, evaluate
from tests.services.monitor.harness import BALANCED, BY_NAME, GOOD_MINUTE, RULES, START, TARGET, readings

ERRORS, SLOW, DOWN = BY_NAME["error_rate"], BY_NAME["response_time"], BY_NAME["service_unavailable"]
ROLLOUT = Rollout(id="ecs-svc/new", began_at=START + 10, running=2, serving_since=START + 40)
LEARNED = [GOOD_MINUTE] * BASELINE


def minute(**values: float) -> dict[str, float]:
    return {**GOOD_MINUTE, **values}


def seen(old: list[dict[str, float]], new: list[dict[str, float]], rollout: Rollout | None = ROLLOUT) -> Readings:
    """Return the readings of minutes before ``START`` and after it; the deployment begins within the first of these."""
    found = readings(*old, *new, start=START - len(old) * MINUTE)
    return Readings(BALANCED.model_copy(update={"rollout": rollout}), found.series)


def whose(
    rule: str, old: list[dict[str, float]], new: list[dict[str, float]], rollout: Rollout = ROLLOUT
) -> str | None:
    looked = seen(old, new, rollout)
    state = evaluate(BY_NAME[rule], looked, START + len(new) * MINUTE)
    assert state.verdict == "broken"
    return attribution(BY_NAME[rule], state, looked)


def test_a_window_that_began_before_the_new_version_served_tells_nothing() -> None:
    bad = minute(target_5xx=40.0)
    assert whose("error_rate", LEARNED, [bad, bad]) == "neither"
    assert whose("error_rate", LEARNED, [bad, bad, bad]) == "new-version"


def test_errors_are_nobody_s_while_no_task_of_the_new_version_has_run() -> None:
    bad = minute(target_5xx=40.0)
    idle = ROLLOUT.model_copy(update={"running": 0, "serving_since": None})
    assert whose("error_rate", LEARNED, [bad] * 5, idle) == "neither"
    gone = minute(healthy=0.0)
    assert whose("service_unavailable", LEARNED, [gone] * 5, idle) == "new-version", "it may have stopped the old tasks"


@pytest.mark.parametrize(
    ("rule", "old", "same", "worse"),
    [
        ("error_rate", {"target_5xx": 34.0}, {"target_5xx": 36.0}, {"target_5xx": 60.0}),
        ("response_time", {"response_time": 6.0}, {"response_time": 7.0}, {"response_time": 12.0}),
        ("database_connections", {"database_errors": 10.0}, {"database_errors": 12.0}, {"database_errors": 40.0}),
    ],
)
def test_what_the_version_before_did_as_well_is_not_the_new_one_s_unless_it_got_worse(
    rule: str, old: dict[str, float], same: dict[str, float], worse: dict[str, float]
) -> None:
    before_it = [minute(**old)] * BASELINE
    assert whose(rule, before_it, [minute(**same)] * 4) == "version-before"
    assert whose(rule, before_it, [minute(**worse)] * 4) == "new-version"


def test_a_version_that_was_down_as_well_is_no_worse_when_it_stays_down() -> None:
    assert whose("service_unavailable", [minute(healthy=0.0)] * BASELINE, [minute(healthy=0.0)] * 4) == "version-before"


def test_a_few_bad_minutes_of_the_version_before_do_not_excuse_a_version_that_is_much_worse() -> None:
    flawed = [*LEARNED[:6], minute(target_5xx=100.0), minute(target_5xx=100.0), *LEARNED[8:]]
    known = before(ERRORS, seen(flawed, []), START)
    assert known is not None
    assert known.broken
    assert known.value == 0, "what was usual, not the average of 100 * 2 / 15 per cent"
    assert not known.excuses(ERRORS, 19.0, 200)


def test_a_version_before_that_kept_the_rule_excuses_nothing() -> None:
    known = before(ERRORS, seen([minute(target_5xx=9.0)] * BASELINE, []), START)
    assert known is not None
    assert not known.broken
    assert not known.excuses(ERRORS, 10.5, 200)


def test_chance_alone_is_not_worse_and_few_requests_leave_more_to_chance() -> None:
    known = before(ERRORS, seen([minute(target_5xx=12.0)] * BASELINE, []), START)
    assert known is not None
    assert known.excuses(ERRORS, 18.0, 200)
    assert not known.excuses(ERRORS, 22.0, 200)
    assert known.excuses(ERRORS, 22.0, 40)


def test_without_minutes_of_the_version_before_nothing_is_known() -> None:
    bad = minute(target_5xx=40.0)
    assert whose("error_rate", [], [bad] * 4) is None
    quiet = [{"healthy": 2.0, "requests": 1.0, "target_5xx": 1.0}] * BASELINE
    assert whose("error_rate", quiet, [bad] * 4) is None, "a few requests are no rate"
    looked = seen(LEARNED, [bad] * 4, None)
    assert attribution(ERRORS, evaluate(ERRORS, looked, START + 4 * MINUTE), looked) is None


def test_where_few_come_all_their_requests_of_an_hour_show_what_the_version_before_did() -> None:
    few = [{"healthy": 2.0, "requests": 2.0, "target_5xx": float(at % 3 == 0)} for at in range(BASELINE)]
    known = before(ERRORS, seen(few, []), START)
    assert known is not None
    assert (round(known.value, 1), known.requests, known.broken) == (16.7, 30, True)
    assert known.excuses(ERRORS, 20.0, 20)
    assert not known.excuses(ERRORS, 60.0, 20)
    assert before(SLOW, seen(few, []), START) is None, "percentiles of minutes are not those of an hour"


def broken(window: int) -> RuleState:
    since = START + window * MINUTE
    return RuleState(
        rule="error_rate", verdict="broken", value=40.0, samples=200, since=since, until=since + 2 * MINUTE
    )


def charged(alert: AlertState, window: int, charge: Charge) -> tuple[AlertState, Alert | None]:
    return step(alert, ERRORS, broken(window), TARGET, START + (window + 2) * MINUTE, charge=charge)


def test_an_alert_is_raised_again_once_its_window_is_the_new_version_s() -> None:
    alert, first = charged(AlertState(), 0, Charge("neither", ROLLOUT))
    alert, again = charged(alert, 1, Charge("new-version", ROLLOUT))
    assert first is not None
    assert again is not None
    assert (first.alert_id, first.attribution, first.began_at) == (again.alert_id, "neither", again.began_at)
    assert (again.state, again.attribution, again.deployment_id) == ("raised", "new-version", ROLLOUT.id)
    assert again.window_from is not None
    assert again.window_from.timestamp() == START + MINUTE


def test_it_is_raised_again_until_clocks_that_differ_agree_and_then_no_more() -> None:
    alert, raised = AlertState(), []
    for window in range(1, 8):
        alert, event = charged(alert, window, Charge("new-version", ROLLOUT))
        raised += [event.window_from.timestamp()] if event and event.window_from else []
    assert raised == [START + MINUTE, START + 2 * MINUTE]


def test_an_alert_of_the_version_before_is_raised_once() -> None:
    alert, first = charged(AlertState(), 0, Charge("neither", ROLLOUT))
    assert first is not None
    for window in range(1, 6):
        alert, again = charged(alert, window, Charge("version-before", ROLLOUT))
        assert again is None


def test_the_next_deployment_is_charged_anew() -> None:
    alert, _ = charged(AlertState(), 1, Charge("new-version", ROLLOUT))
    alert, _ = charged(alert, 2, Charge("new-version", ROLLOUT))
    later = ROLLOUT.model_copy(update={"id": "ecs-svc/newer", "began_at": START + 4 * MINUTE})
    alert, between = charged(alert, 3, Charge("neither", later))
    assert between is None
    _, again = charged(alert, 5, Charge("new-version", later))
    assert again is not None
    assert again.deployment_id == later.id


def test_who_deploys_the_same_version_again_in_the_middle_is_told_of_it() -> None:
    """The times of the version are those of its first deployment; the alert goes on and names the newest."""
    known = ROLLOUT.model_copy(update={"task_definition": "web:2"})
    alert = AlertState()
    for window in range(1, 4):
        alert, _ = charged(alert, window, Charge("new-version", known))
    newest_at = START + 4.5 * MINUTE
    newest = known.model_copy(update={"id": "ecs-svc/again", "began_at": newest_at}).following(known, newest_at)
    assert (newest.began_at, newest.newest_at) == (known.began_at, newest_at)
    raised = {}
    for window in range(4, 12):
        alert, event = charged(alert, window, Charge("new-version", newest))
        if event is not None:
            raised[window] = event.deployment_id
    assert raised == {5: "ecs-svc/again", 6: "ecs-svc/again"}, "windows in its own time, until clocks that differ agree"


def gates_of(looked: Readings, minutes: int) -> dict[str, Gate] | None:
    waits = PendingEvaluation(command_id="c", run_id="r", since=START, deadline=START + 15 * MINUTE)
    gates = judge(waits, RULES, looked, START + minutes * MINUTE, database_published=True)
    return None if gates is None else {gate.name: gate for gate in gates}


def test_what_was_broken_before_and_is_no_worse_is_a_finding_and_fails_nothing() -> None:
    looked = seen([minute(target_5xx=34.0)] * BASELINE, [minute(target_5xx=33.0)] * 3)
    gates = gates_of(looked, 3)
    assert gates is not None
    found = gates["error_rate"]
    assert (found.verdict, found.value) == (Verdict.PASS, 33.0)
    assert found.not_applicable is not None
    assert "34% in the minutes before the change, 33% since" in found.not_applicable


def test_what_got_worse_fails() -> None:
    gates = gates_of(seen([minute(target_5xx=12.0)] * BASELINE, [minute(target_5xx=60.0)] * 3), 3)
    assert gates is not None
    assert gates["error_rate"].verdict is Verdict.FAIL
    assert gates["error_rate"].not_applicable is None


def test_a_fix_that_keeps_the_rule_passes_by_its_own_evidence() -> None:
    looked = seen([minute(target_5xx=34.0)] * BASELINE, [GOOD_MINUTE])
    assert gates_of(looked, 1) is None, "one good minute is not enough, and no finding either"
    gates = gates_of(seen([minute(target_5xx=34.0)] * BASELINE, [GOOD_MINUTE] * 2), 2)
    assert gates is not None
    assert (gates["error_rate"].verdict, gates["error_rate"].not_applicable) == (Verdict.PASS, None)


@pytest.mark.parametrize(("live", "fails"), [("app:1", True), ("app:2", False), ("", False)])
def test_a_version_that_is_not_live_any_more_has_not_kept_the_rules(live: str, fails: bool) -> None:
    """ECS rolls back for its alarms after all tasks were healthy: then every rule is kept, by the version before."""
    waits = PendingEvaluation(
        command_id="c", run_id="r", since=START, deadline=START + 15 * MINUTE, task_definition="arn/app:2"
    )
    rollout = ROLLOUT.model_copy(update={"task_definition": live and f"arn/{live}"})
    looked = replace(seen(LEARNED, [GOOD_MINUTE] * 3, rollout), stopped=())
    gates = judge(waits, RULES, looked, START + 3 * MINUTE, database_published=True)
    assert gates is not None
    found = [(gate.name, gate.verdict, gate.detail) for gate in gates if gate.verdict is not Verdict.PASS]
    assert found == ([("our_deployment_live", Verdict.FAIL, "app:1 is live")] if fails else [])


def test_a_rule_of_one_minute_excuses_what_was_as_bad_before_in_its_first_minute_too() -> None:
    hasty = replace(ERRORS, minutes=1)
    looked = seen([minute(target_5xx=34.0)] * BASELINE, [minute(target_5xx=33.0)])
    waits = PendingEvaluation(command_id="c", run_id="r", since=START, deadline=START + 15 * MINUTE)
    gates = judge(waits, [hasty], looked, START + 70, database_published=True)
    assert gates is None or gates[0].verdict is not Verdict.FAIL
