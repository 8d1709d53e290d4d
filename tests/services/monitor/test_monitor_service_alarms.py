"""Alarms that a service has already: which of them fail its new version, and what is said of the others."""

from typing import Any

import pytest

from contracts.base import Target
from contracts.gates import Gate, Verdict
from contracts.monitor import DependencyFault
from contracts.troubles import Trouble
from services.monitor.domain.alarm_alerts import step
from services.monitor.domain.blind import Blind
from services.monitor.domain.history import Earlier
from services.monitor.domain.judge import judge
from services.monitor.domain.metrics import MINUTE
from services.monitor.domain.pending import PendingEvaluation
from services.monitor.domain.rollout import Gap, Rollout
from services.monitor.domain.service_alarms import ServiceAlarm, ServiceAlarms, alarm_gates
from services.monitor.domain.trouble import NONE, Troubles
from services.monitor.domain.watched_service import WatchedService
from tests.services.monitor.harness import RULES, TARGET

BEGAN = 1_000_000.0
SERVES, SETTLED = BEGAN + MINUTE, BEGAN + 2 * MINUTE
NOW = BEGAN + 14 * MINUTE
DEADLINE = BEGAN + 15 * MINUTE


def rollout(**more: Any) -> Rollout:
    known = {
        "id": "ecs-svc/2",
        "began_at": BEGAN,
        "serving_since": SERVES,
        "settled_at": SETTLED,
        "start_seconds": 300.0,
    }
    return Rollout.model_validate({**known, **more})


def service(**more: Any) -> WatchedService:
    known = {"cluster": "c", "service": "s", "wanted": 3, "running": 3, "created_at": 0.0, "rollout": rollout()}
    return WatchedService.model_validate({**known, **more})


def firing(since: float | None = BEGAN + 5 * MINUTE, **more: Any) -> ServiceAlarm:
    return ServiceAlarm.model_validate({"name": "errors", "state": "ALARM", "since": since, "reason": "20 > 5", **more})


LIVE = Earlier(id="1", task_definition="a:1", began_at=BEGAN - 86_400, ended_at=BEGAN - 1200)
FAILED = Earlier(id="2", task_definition="a:2", began_at=BEGAN - 1200, ended_at=BEGAN)
QUIET = ServiceAlarm(name="cpu", state="OK", since=0.0)


def gate(*alarms: ServiceAlarm, now: float = NOW, of: WatchedService | None = None, **more: Any) -> Gate:
    read = ServiceAlarms(read_at=now, known=alarms, **more)
    (found,) = alarm_gates(read, of or service(), now, DEADLINE)
    return found


def test_a_service_without_alarms_has_no_such_gate() -> None:
    assert alarm_gates(ServiceAlarms(), service(), NOW, DEADLINE) == ()


def test_quiet_alarms_are_evidence() -> None:
    found = gate(QUIET)
    assert (found.verdict, found.samples, found.not_applicable) == (Verdict.PASS, 1, None)
    assert found.detail == "1 alarm of the service is quiet"


def test_an_alarm_that_begins_to_fire_while_the_new_version_serves_fails_it() -> None:
    found = gate(firing(), QUIET)
    assert (found.verdict, found.value) == (Verdict.FAIL, 1)
    assert "errors fires since" in found.detail
    assert "20 > 5" in found.detail


def test_one_that_fired_before_goes_on_firing_and_fails_nothing() -> None:
    found = gate(firing(BEGAN - 1), QUIET)
    assert found.verdict is Verdict.PASS
    assert "before the deployment began" in found.detail
    assert gate(firing(BEGAN - 1)).not_applicable, "alone it proves nothing"


@pytest.mark.parametrize(
    ("fired", "earlier", "verdict"),
    [
        (BEGAN - 600, (LIVE,), Verdict.PASS),
        (BEGAN - 7200, (LIVE,), Verdict.FAIL),  # too long ago
        (BEGAN - 600, (LIVE, FAILED), Verdict.FAIL),  # by an attempt that was taken back
        (BEGAN - 2400, (LIVE, FAILED), Verdict.PASS),
        (BEGAN - 600, (), Verdict.FAIL),  # nobody knows by which
    ],
)
def test_one_that_the_version_before_made_fire_as_well_is_a_finding(
    fired: float, earlier: tuple[Earlier, ...], verdict: Verdict
) -> None:
    of = service(rollout=rollout(earlier=earlier))
    found = gate(firing(fired=(fired,)), QUIET, of=of)
    assert found.verdict is verdict
    assert ("as well" in found.detail) == (verdict is Verdict.PASS)


def test_its_whole_window_has_to_lie_in_the_time_of_the_new_version() -> None:
    alarm = firing(SERVES + 1, span=5 * MINUTE)
    early = SERVES + 6 * MINUTE
    assert gate(alarm, QUIET, now=early).verdict is Verdict.INCONCLUSIVE
    assert gate(alarm, QUIET, now=SERVES + 7 * MINUTE).verdict is Verdict.FAIL, "it fires still"
    keeps = firing(SERVES + 1, span=5 * MINUTE, keeps_state=True)
    assert gate(keeps, QUIET).verdict is Verdict.INCONCLUSIVE, "it would fire still without data"
    assert gate(firing(SERVES + 90, span=5 * MINUTE, breached_from=SERVES), now=early).verdict is Verdict.FAIL


def test_what_cannot_be_attributed_until_the_deadline_is_a_finding() -> None:
    found = gate(firing(SERVES + 1, span=60 * MINUTE), QUIET, now=DEADLINE)
    assert found.verdict is Verdict.PASS
    assert "errors fires since" in found.detail


def test_tasks_that_start_use_more_cpu() -> None:
    alarm = firing(SETTLED + MINUTE, warms_up=True)
    assert gate(alarm, now=SETTLED + 300 + MINUTE).verdict is Verdict.INCONCLUSIVE
    assert gate(alarm, now=SETTLED + 300 + 4 * MINUTE).verdict is Verdict.FAIL
    unsettled = service(rollout=rollout(settled_at=None))
    assert gate(alarm, of=unsettled).verdict is Verdict.INCONCLUSIVE


def test_a_service_that_stops_before_it_starts_has_no_tasks_for_a_while() -> None:
    gap = Gap(begins=BEGAN, ends=NOW - MINUTE, why="", deployment_id="ecs-svc/2")
    assert gate(firing(), of=service(gap=gap)).verdict is Verdict.INCONCLUSIVE


def test_ecs_rolls_back_by_itself_for_its_own_alarms_while_it_deploys() -> None:
    since = BEGAN + 5 * MINUTE
    deploys = service(rollout=rollout(under_way=True), alarms_of_ecs={"errors"})
    assert gate(firing(since, breached_from=since), of=deploys, now=since + 60).verdict is Verdict.INCONCLUSIVE
    assert gate(firing(since, breached_from=since), of=deploys, now=since + 240).verdict is Verdict.FAIL
    assert gate(firing(since, breached_from=since), now=since + 60).verdict is Verdict.FAIL, "not an alarm of ECS"


@pytest.mark.parametrize(
    ("alarm", "says"),
    [
        (firing(muted="muted by a-night"), "errors is ALARM, and muted by a-night"),
        (firing(evaluation="EVALUATION_ERROR"), "cannot be evaluated (EVALUATION_ERROR)"),
        (firing(state="INSUFFICIENT_DATA"), "has no data, which says nothing"),
        (firing(since=None), "nobody can tell since when"),
    ],
)
def test_what_says_nothing_is_told_and_proves_nothing(alarm: ServiceAlarm, says: str) -> None:
    found = gate(alarm)
    assert found.verdict is Verdict.PASS
    assert says in (found.not_applicable or "")
    assert says in gate(alarm, QUIET).detail


def test_one_that_was_evaluated_on_a_part_of_the_data_counts_and_says_so() -> None:
    assert gate(firing(evaluation="PARTIAL_DATA")).verdict is Verdict.FAIL
    partial = QUIET.model_copy(update={"evaluation": "PARTIAL_DATA"})
    assert "PARTIAL_DATA" in gate(partial).detail


def test_what_could_not_be_read_stops_nothing_and_is_said() -> None:
    found = gate(unread="CloudWatch did not answer DescribeAlarms: AccessDenied")
    assert (found.verdict, found.samples) == (Verdict.PASS, 0)
    assert "AccessDenied" in (found.not_applicable or "")
    assert "there is no alarm gone" in gate(QUIET, missing=("gone",)).detail
    assert "not known: denied" in gate(firing(unread=("not known: denied",))).detail


def test_a_service_that_wants_no_task_is_not_judged_by_alarms() -> None:
    assert gate(firing(), of=service(wanted=0)).not_applicable


def test_the_time_of_the_last_read_counts_and_not_that_of_the_answer() -> None:
    read = ServiceAlarms(read_at=SERVES + 3 * MINUTE, known=(firing(SERVES + 1, span=5 * MINUTE),))
    (found,) = alarm_gates(read, service(), NOW, DEADLINE)
    assert found.verdict is Verdict.INCONCLUSIVE


# -- the database ------------------------------------------------------------------------------------------------------

FAULT = DependencyFault(name="db", detail="the database was away")
AWAY = Troubles(known=(Trouble(fault=FAULT, begins=BEGAN, until=NOW, lasting=False),))


def test_what_a_trouble_of_the_database_explains_is_held_against_no_version() -> None:
    (found,) = alarm_gates(ServiceAlarms(read_at=NOW, known=(firing(),)), service(), NOW, DEADLINE, AWAY)
    assert (found.verdict, found.detail) == (Verdict.INCONCLUSIVE, FAULT.detail)


# -- alerts ------------------------------------------------------------------------------------------------------------


def alerted(alarms: ServiceAlarms, *, guarded: bool = True, troubles: Troubles = NONE) -> tuple[ServiceAlarms, Any]:
    return step(alarms, service(), Target.model_validate(TARGET), NOW, "", troubles, guarded=guarded)


def test_it_is_raised_once_while_a_deployment_is_watched_and_is_over_when_the_alarm_is() -> None:
    alarms, (alert,) = alerted(ServiceAlarms(read_at=NOW, known=(firing(),)))
    assert (alert.rule, alert.state, alert.attribution, alert.deployment_id) == (
        "service_alarms", "raised", "new-version", "ecs-svc/2",
    )  # fmt: skip
    assert alert.window_from is not None
    assert alert.window_from.timestamp() >= SERVES
    alarms, nothing = alerted(alarms)
    assert nothing == ()
    quiet = alarms.following(ServiceAlarms(known=(QUIET.model_copy(update={"name": "errors"}),)), NOW)
    _, (over,) = alerted(quiet)
    assert (over.state, over.alert_id) == ("resolved", alert.alert_id)


def test_it_is_over_when_nobody_deploys_any_more() -> None:
    alarms, _ = alerted(ServiceAlarms(read_at=NOW, known=(firing(),)))
    alarms, (over,) = alerted(alarms, guarded=False)
    assert over.state == "resolved"
    assert alerted(alarms, guarded=False)[1] == ()


@pytest.mark.parametrize("alarm", [firing(BEGAN - 1), firing(muted="muted"), QUIET])
def test_no_other_alarm_is_raised(alarm: ServiceAlarm) -> None:
    assert alerted(ServiceAlarms(read_at=NOW, known=(alarm,)))[1] == ()


def test_nor_is_one_that_the_database_explains() -> None:
    assert alerted(ServiceAlarms(read_at=NOW, known=(firing(),)), troubles=AWAY)[1] == ()


# -- without metrics ---------------------------------------------------------------------------------------------------


def test_alarms_are_evidence_also_where_no_metric_can_be_read() -> None:
    pending = PendingEvaluation(command_id="1", run_id="1", since=BEGAN, deadline=DEADLINE)
    alarms = ServiceAlarms(read_at=NOW, known=(firing(),))
    blind = Blind("CloudWatch did not answer GetMetricData: AccessDenied", service=service())
    gates = judge(pending, RULES, blind, NOW, database_published=True, alarms=alarms)
    assert gates is not None
    assert [found.verdict for found in gates if found.name == "service_alarms_quiet"] == [Verdict.FAIL]
