"""No word of another service hides a critical alert, a warning, or that people are called."""

from typing import Any

import pytest

from contracts.dead_letter import RULE
from contracts.monitor import CriticalAlert, WarningAlert
from contracts.recovery import AlertTrigger
from contracts.topics import SERVICES, Party
from services.orchestrator.domain.condition import Condition, PeopleCalled
from tests.security.orchestrated import Orchestrator
from tests.services.orchestrator.harness import START, TARGET, at

OTHERS = [party for party in (*SERVICES, Party.OPERATORS) if party is not Party.MONITOR]
ALERT: dict[str, Any] = {
    "target": TARGET,
    "alert_id": "A1",
    "rule": "error_rate",
    "state": "raised",
    "value": 0.2,
    "comparison": ">",
    "threshold": 0.05,
    "samples": 100,
    "began_at": at(START),
    "detail": "one in five requests fails",
}
CRITICAL, WARNING = CriticalAlert(**ALERT), WarningAlert(**ALERT | {"rule": "cpu"})


def shown(orchestrator_condition: Condition) -> list[tuple[str, str]]:
    return [(alert.severity, alert.rule) for alert in orchestrator_condition.alerts]


@pytest.mark.parametrize("rule", ["error_rate", "cpu", RULE])
@pytest.mark.parametrize("by", OTHERS)
async def test_nobody_but_monitor_resolves_what_monitor_has_raised(by: Party, rule: str) -> None:
    orchestrator = Orchestrator()
    await orchestrator.takes(CRITICAL, id_="c", by=Party.MONITOR)
    await orchestrator.takes(WARNING, id_="w", by=Party.MONITOR)
    for number, state in enumerate(("resolved", "raised", "resolved")):
        forged = WarningAlert(**ALERT | {"rule": rule, "state": state, "detail": "all is well"})
        await orchestrator.takes(forged, id_=f"forged-{number}", by=by)
    open_alerts = shown((await orchestrator.course()).condition)
    assert [alert for alert in open_alerts if alert[1] != RULE] == [("critical", "error_rate"), ("warning", "cpu")]


@pytest.mark.parametrize("by", SERVICES)
async def test_a_service_warns_of_its_dead_letters_and_an_operator_settles_them(by: Party) -> None:
    orchestrator = Orchestrator()
    raised = WarningAlert(**ALERT | {"rule": RULE})
    await orchestrator.takes(raised, id_="1", by=by)
    assert shown((await orchestrator.course()).condition) == [("warning", RULE)]
    await orchestrator.takes(raised.model_copy(update={"state": "resolved"}), id_="2", by=Party.OPERATORS)
    assert shown((await orchestrator.course()).condition) == []


@pytest.mark.parametrize(("alert", "stays"), [(WARNING, True), (CRITICAL, False)])
def test_a_warning_under_a_critical_alerts_id_does_not_end_the_call_for_people(
    alert: CriticalAlert | WarningAlert, *, stays: bool
) -> None:
    trigger = AlertTrigger(alert_id="A1", rule="error_rate", detail="it fails")
    called = PeopleCalled(alert_id=trigger.alert_id, rule=trigger.rule, sentence="Call people.", at=at(START))
    over = alert.model_copy(update={"state": "resolved", "alert_id": "A1"})
    after = Condition(called=called).after(CRITICAL, at(START)).after(over, at(START))
    assert (after.called == called, bool(after.alerts)) == (stays, stays)
