"""Emergency scaling by itself: when a critical alert about resources scales the service, and when it does not."""

from collections.abc import Callable
from typing import Any

import pytest

from contracts.monitor import CriticalAlert, DependencyFault
from contracts.policy import Monitoring, ServicePolicy
from contracts.policy import Recovery as RecoverySection
from contracts.policy_rules import BUILT_IN_RULES, RuleMetric, RulePolicy
from contracts.recovery import Disarm, RollbackStarted
from contracts.scaling import ScalingDecided, ScalingFinished, ScalingStarted
from services.recovery.domain.scale_plan import Autoscaler, DatabaseRoom
from tests.services.recovery.harness import TARGET, Recovery

RULES = (
    *BUILT_IN_RULES,
    RulePolicy(
        name="cpu_exhausted", metric=RuleMetric.CPU, comparison=">", threshold=95, minutes=3, severity="critical"
    ),
)


@pytest.fixture
def recovery() -> Recovery:
    recovery = Recovery()
    governs(recovery)
    return recovery


def governs(recovery: Recovery, database: str | None = None, **values: Any) -> None:
    recovery.policies.reload(
        ServicePolicy(
            target=TARGET,
            recovery=RecoverySection(**({"scaling_by_itself": True} | values)),
            monitoring=Monitoring(database=database),
            rules=RULES,
        )
    )


async def exhausted(recovery: Recovery, alert_id: str = "alert-1", **changes: Any) -> CriticalAlert:
    """Let the alert come, and let its work be done."""
    recovery.clock.time += 1  # each message has an id of its own
    alert = recovery.alert(rule="cpu_exhausted", alert_id=alert_id).model_copy(update=changes)
    await recovery.send(alert, f"{alert_id}:{recovery.clock.time}")
    await recovery.work()
    return alert


def decisions(recovery: Recovery) -> list[tuple[str, str]]:
    return [(event.decision, event.reason) for event in reversed(recovery.published(ScalingDecided))]


async def test_exhausted_resources_are_scaled_as_far_as_is_allowed_and_come_back(recovery: Recovery) -> None:
    recovery.scaler.target = Autoscaler(2, 5)
    await exhausted(recovery)
    [started] = recovery.published(ScalingStarted)
    assert (started.raised.desired, started.raised.low, started.trigger.kind) == (5, 5, "alert")
    assert decisions(recovery) == [("acted", "alert")]
    await recovery.send(recovery.alert(rule="cpu_exhausted", state="resolved"), "resolved")
    recovery.clock.time += 3600
    await recovery.fire()
    await recovery.work()
    [finished] = recovery.published(ScalingFinished)
    assert (finished.result, recovery.scaler.target) == ("restored", Autoscaler(2, 5))
    assert decisions(recovery) == [("acted", "alert")]


async def test_what_a_database_takes_is_not_known_so_it_goes_half_as_far(recovery: Recovery) -> None:
    governs(recovery, database="orders")
    await exhausted(recovery)
    assert recovery.ecs.desired == 5
    other = Recovery()
    governs(other, database="orders", scaling_database_connections=500)
    await exhausted(other)
    assert other.ecs.desired == 6


async def test_one_alert_is_answered_once_and_people_are_called_where_it_still_fires(recovery: Recovery) -> None:
    await exhausted(recovery)
    await exhausted(recovery)
    assert decisions(recovery) == [("acted", "alert")], "it stands"
    recovery.clock.time += 3600
    await recovery.fire()
    await recovery.work()
    assert decisions(recovery)[-1] == ("people-called", "still")
    await exhausted(recovery)
    assert decisions(recovery)[-1] == ("people-called", "once")
    assert len(recovery.published(ScalingStarted)) == 1


async def test_three_times_a_day_at_most(recovery: Recovery) -> None:
    for number in range(5):
        await exhausted(recovery, f"alert-{number}")
        await recovery.send(
            recovery.alert(rule="cpu_exhausted", alert_id=f"alert-{number}", state="resolved"), f"resolved {number}"
        )
        recovery.clock.time += 3601
        await recovery.fire()
        await recovery.work()
    assert len(recovery.published(ScalingStarted)) == 3
    assert decisions(recovery)[-1] == ("people-called", "once")
    recovery.clock.time += 86_400
    await exhausted(recovery, "next day")
    assert len(recovery.published(ScalingStarted)) == 4


def off(recovery: Recovery) -> dict[str, Any]:
    governs(recovery, scaling_by_itself=False)
    return {}


def disabled(recovery: Recovery) -> dict[str, Any]:
    governs(recovery, enabled=False)
    return {}


def of_the_new_version(_: Recovery) -> dict[str, Any]:
    return {"attribution": "new-version"}


def of_the_database(_: Recovery) -> dict[str, Any]:
    return {"dependency_fault": DependencyFault(name="orders", detail="the database orders is overloaded")}


def database_is_busy(recovery: Recovery) -> dict[str, Any]:
    governs(recovery, database="orders")
    recovery.scaler.room = DatabaseRoom("orders", connections=30, cpu=97)
    return {}


def a_daemon(recovery: Recovery) -> dict[str, Any]:
    recovery.ecs.settings["schedulingStrategy"] = "DAEMON"
    return {}


def zero(recovery: Recovery) -> dict[str, Any]:
    recovery.ecs.desired = 0
    return {}


def at_the_maximum(recovery: Recovery) -> dict[str, Any]:
    recovery.scaler.target = Autoscaler(2, 3)
    return {}


@pytest.mark.parametrize(
    ("given", "decision", "reason"),
    [
        (off, "people-called", "switched-off"),
        (disabled, "people-called", "switched-off"),
        (of_the_new_version, "people-called", "new-version"),
        (of_the_database, "declined", "dependency"),
        (database_is_busy, "declined", "database"),
        (a_daemon, "declined", "daemon"),
        (zero, "declined", "zero"),
        (at_the_maximum, "declined", "at-most"),
    ],
)
async def test_why_it_is_not_scaled_is_on_record(
    recovery: Recovery, given: Callable[[Recovery], dict[str, Any]], decision: str, reason: str
) -> None:
    changes = given(recovery)
    await exhausted(recovery, **changes)
    await exhausted(recovery, **changes)
    assert (decisions(recovery), recovery.ecs.changing) == ([(decision, reason)], [])
    assert recovery.protection.scaling is None


async def test_a_new_version_under_watch_is_rolled_back_and_not_scaled(recovery: Recovery) -> None:
    await recovery.deployed()
    await exhausted(recovery, window_from=recovery.now, attribution="new-version")
    assert len(recovery.published(RollbackStarted)) == 1
    assert (decisions(recovery), recovery.protection.scaling) == ([], None)


async def test_while_a_run_is_armed_nothing_is_scaled(recovery: Recovery) -> None:
    await recovery.arm()
    await exhausted(recovery)
    assert decisions(recovery) == [("declined", "armed")]
    await recovery.send(Disarm(target=TARGET, run_id="run-1"), "disarm")
    await exhausted(recovery)
    assert decisions(recovery)[-1] == ("acted", "alert")


@pytest.mark.parametrize("rule", ["error_rate", "response_time", "service_alarms"])
async def test_an_alert_about_anything_else_scales_nothing(recovery: Recovery, rule: str) -> None:
    await recovery.send(recovery.alert(rule=rule), "alert")
    await recovery.work()
    assert (decisions(recovery), recovery.protection.scaling) == ([], None)
