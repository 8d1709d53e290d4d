"""Alerts outside a run that call people: somebody is at work, or the version before is in doubt."""

from datetime import timedelta

import pytest

from contracts.base import caused_id
from contracts.monitor import CriticalAlert
from contracts.recovery import AlertTrigger, ManualTrigger, Trigger
from services._chassis.transition import Decision, Transition
from services.recovery.domain.protection import Protection, key_of
from services.recovery.domain.scaling.scaling import EmergencyScaling
from tests.services.recovery.harness import TARGET, Recovery
from tests.services.recovery.test_recovery_outside import MINUTES, alert, deploys, hears, succeeded, told

BY_ITSELF = AlertTrigger(rule="cpu_warning", alert_id="alert-0", detail="busy")


@pytest.mark.parametrize("about_the_one_before", [True, False])
async def test_a_hotfix_may_be_quicker_than_the_alert_of_the_version_that_it_mends(about_the_one_before: bool) -> None:
    made = Recovery()
    await succeeded(made)
    made.clock.time += 300 * MINUTES
    before = made.ecs.history[-1]["id"]
    hotfix = deploys(made)
    made.clock.time += MINUTES
    late = alert(
        made,
        rule="response_time",
        window_from=made.now - timedelta(minutes=5),
        attribution="neither",
        deployment_id=before if about_the_one_before else hotfix,
    )
    await hears(made, late)
    made.clock.time += 4 * MINUTES
    over = CriticalAlert.model_validate(late.model_dump() | {"state": "resolved"})
    await hears(made, over, "alert-1:resolved")
    made.clock.time += 20 * MINUTES
    await hears(made, alert(made, alert_id="alert-2"), "alert-2:raised")
    assert told(made)[-1] == ("people-called", "troubled-before")


@pytest.mark.parametrize(
    ("trigger", "said"),
    [
        (ManualTrigger(actor="ann", reason="campaign"), ("people-called", "under-way")),
        (BY_ITSELF, ("declined", "under-way")),
    ],
)
async def test_nothing_goes_back_while_an_emergency_scaling_stands(trigger: Trigger, said: tuple[str, str]) -> None:
    made = Recovery()
    await succeeded(made)
    made.clock.time += 90 * MINUTES
    until = made.now + timedelta(hours=1)
    scaling = EmergencyScaling(scaling_id="s1", trigger=trigger, asked_at=made.now, until=until, phase="raised")

    def scaled(state: bytes | None) -> Decision:
        return Decision(Protection.from_bytes(state).replace(scaling=scaling).to_bytes())

    await made.store.apply(Transition(key_of(TARGET), scaled), cause=caused_id("s1", "test"))
    await hears(made, alert(made, rule="response_time"))
    assert told(made) == [said]


async def test_an_alarm_of_the_services_own_was_compared_with_nothing() -> None:
    made = Recovery()
    await succeeded(made)
    made.clock.time += 90 * MINUTES
    await hears(made, alert(made, rule="service_alarms", detail="service_alarms: slow fires since 12:00"))
    assert told(made) == [("people-called", "no-evidence")]
    assert "nothing compares" in made.decided[-1].sentence
