"""Emergency scaling by itself: when a critical alert about resources scales the service, and when it does not."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from contracts.monitor import CriticalAlert, DependencyFault, WarningAlert
from contracts.policy import Monitoring, ServicePolicy
from contracts.policy import Recovery as RecoverySection
from contracts.policy_rules import BUILT_IN_RULES, RuleMetric, RulePolicy
from contracts.recovery import Disarm, ManualTrigger, RollbackStarted
from contracts.scaling import ScalingDecided, ScalingFinished, ScalingStarted
from services._aws.errors import AwsError
from services._chassis.clock import moment
from services.recovery.domain.moves.mover import By
from services.recovery.domain.moves.remembered import Change, Moves, moves_key
from services.recovery.domain.outside import alert as alerts
from services.recovery.domain.protection import key_of
from services.recovery.domain.scaling.exhaustion import ResourceAlert
from services.recovery.domain.scaling.scale_plan import Autoscaler, DatabaseRoom
from services.recovery.domain.scaling.scale_work import LookWork
from services.recovery.domain.scaling.scaling import EmergencyScaling, PastScaling
from tests.services.recovery.harness import TARGET, Recovery, Use

RULES = (
    *BUILT_IN_RULES,
    RulePolicy(
        name="cpu_exhausted", metric=RuleMetric.CPU, comparison=">", threshold=95, minutes=3, severity="critical"
    ),
)


CALM = Use(cpu=50)


@pytest.fixture
def recovery() -> Recovery:
    recovery = Recovery()
    governs(recovery)
    return recovery


def governs(recovery: Recovery, database: str | None = None, **values: Any) -> None:
    """Let this policy be in force; without a database it says that there is none."""
    without = {"scaling_without_database": database is None}
    recovery.policies.reload(
        ServicePolicy(
            target=TARGET,
            recovery=RecoverySection(**(without | values)),
            monitoring=Monitoring(database=database),
            rules=RULES,
        )
    )


async def exhausted(recovery: Recovery, alert_id: str = "alert-1", **changes: Any) -> None:
    """Let the alert come, and let its work be done."""
    recovery.clock.time += 1  # each message has an id of its own
    alert = recovery.alert(rule="cpu_exhausted", alert_id=alert_id).model_copy(update=changes)
    await recovery.send(alert, f"{alert_id}:{recovery.clock.time}")
    await recovery.work()


async def later(recovery: Recovery, minutes: float = 1) -> None:
    """Let time pass, with what is due in it."""
    for _ in range(round(minutes)):
        recovery.clock.time += 60
        await recovery.fire()
        await recovery.work()


async def warned(recovery: Recovery, state: str = "raised", rule: str = "cpu", alert_id: str = "alert-1") -> None:
    """Let the built-in warning come, and let its work be done."""
    recovery.clock.time += 1
    alert = recovery.alert(rule=rule, alert_id=alert_id, state=state)
    await recovery.send(WarningAlert.model_validate(alert.model_dump()), f"{alert_id}:{recovery.clock.time}")
    await recovery.work()


def decisions(recovery: Recovery) -> list[tuple[str, str]]:
    return [(event.decision, event.reason) for event in reversed(recovery.published(ScalingDecided))]


async def test_exhausted_resources_are_scaled_as_far_as_is_allowed_and_come_back(recovery: Recovery) -> None:
    recovery.scaler.target = Autoscaler(2, 5, scales_out=False)
    await exhausted(recovery)
    [started] = recovery.published(ScalingStarted)
    assert (started.raised.desired, started.raised.low, started.trigger.kind) == (5, 5, "alert")
    assert decisions(recovery) == [("acted", "alert")]
    await recovery.send(recovery.alert(rule="cpu_exhausted", state="resolved"), "resolved")
    recovery.clock.time += 3600
    await recovery.fire()
    await recovery.work()
    [finished] = recovery.published(ScalingFinished)
    assert (finished.result, recovery.scaler.target) == ("restored", Autoscaler(2, 5, scales_out=False))
    assert decisions(recovery) == [("acted", "alert")]


@pytest.mark.parametrize(
    ("policy", "room", "wants", "says"),
    [
        ({"scaling_without_database": False}, None, 5, "names none"),
        ({}, None, 6, ""),
        ({"database": "orders"}, None, 5, "not known how many connections the database orders takes"),
        ({"database": "orders", "scaling_without_database": True}, None, 6, ""),
        ({"database": "orders", "scaling_database_connections": 500}, None, 6, ""),
        (
            {"database": "orders", "scaling_database_connections": 500},
            DatabaseRoom("orders"),
            5,
            "CloudWatch does not show how many connections the database orders has",
        ),
        (
            {"database": "orders", "scaling_database_connections": 500},
            AwsError("AWS refused it: AccessDeniedException", code="AccessDeniedException"),
            5,
            "AccessDenied",
        ),
        ({"scaling_database_connections": 500, "scaling_without_database": False}, None, 5, "names none"),
    ],
)
async def test_where_it_is_not_known_what_a_database_can_take_it_goes_half_as_far_and_says_so(
    recovery: Recovery, policy: dict[str, Any], room: DatabaseRoom | AwsError | None, wants: int, says: str
) -> None:
    governs(recovery, **policy)
    if room is not None:
        recovery.scaler.room = room
    await exhausted(recovery)
    assert recovery.ecs.desired == wants
    [started] = recovery.published(ScalingStarted)
    assert says in started.sentence
    assert ("database" in started.sentence) == bool(says)


@pytest.mark.parametrize(("before", "most"), [(1, 2), (2, 3), (3, 5), (10, 15)])
async def test_half_as_far_is_rounded_up_so_that_it_is_one_more_at_least(
    recovery: Recovery, before: int, most: int
) -> None:
    governs(recovery, scaling_without_database=False)
    recovery.ecs.desired = before
    recovery.scaler.use = lambda _: Use(tasks=before)
    recovery.scaler.target = Autoscaler(1, 40, scales_out=False)
    await exhausted(recovery)
    assert recovery.ecs.desired == most


async def test_who_ended_a_scaling_is_not_contradicted_for_an_hour(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    await exhausted(recovery)
    ended = await web.post(f"/emergency-scale/{TARGET.cluster}/{TARGET.service}/end", json={"actor": "ann"})
    assert ended.status_code == 202
    recovery.clock.time += 61
    await recovery.work()
    assert recovery.ecs.desired == 3
    await exhausted(recovery, "alert-2")
    assert decisions(recovery)[-1] == ("people-called", "taken-away")
    assert "ann ended scaling:" in recovery.published(ScalingDecided)[0].sentence
    await later(recovery, 61)
    assert decisions(recovery)[-1] == ("acted", "alert")


async def test_what_its_own_scaling_gives_back_was_taken_away_by_nobody(recovery: Recovery) -> None:
    governs(recovery, scaling_minutes=20)
    began = recovery.clock.time
    recovery.scaler.use = lambda minute: Use(tasks=6 if began + 60 < minute < began + 1200 else 3)
    await exhausted(recovery)
    assert recovery.ecs.desired == 6
    await recovery.send(recovery.alert(rule="cpu_exhausted", state="resolved"), "resolved")
    await later(recovery, 30)
    assert recovery.ecs.desired == 3
    await exhausted(recovery, "alert-2")
    assert decisions(recovery) == [("acted", "alert"), ("acted", "alert")]


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


async def test_a_warning_that_still_fires_when_the_time_is_over_is_told_to_people() -> None:
    for still in (True, False):
        other = Recovery()
        governs(other)
        await warned(other)
        if not still:
            await warned(other, "resolved")
        other.clock.time += 3600
        await other.fire()
        await other.work()
        assert (("people-called", "still") in decisions(other)) == still


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


def only_one_task(recovery: Recovery) -> dict[str, Any]:
    recovery.ecs.desired = 1
    recovery.scaler.target = None
    return {}


def only_one_task_allowed(recovery: Recovery) -> dict[str, Any]:
    governs(recovery, scaling_above_maximum=True)
    recovery.ecs.desired = 1
    recovery.scaler.target = Autoscaler(1, 1)
    return {}


def at_the_maximum(recovery: Recovery) -> dict[str, Any]:
    recovery.scaler.target = Autoscaler(2, 3)
    return {}


def database_is_full(recovery: Recovery) -> None:
    governs(recovery, database="orders", scaling_database_connections=50)
    recovery.scaler.room = DatabaseRoom("orders", connections=41, cpu=20)


def database_refuses(recovery: Recovery) -> None:
    know(recovery, recovery.alert(rule="database_connections", alert_id="database"))


def know(recovery: Recovery, alert: CriticalAlert) -> None:
    """Let another critical alert fire already."""
    noted = alerts.note(recovery.protection, alert, recovery.now)
    recovery.store.states[key_of(TARGET)] = noted.to_bytes()


def gone(recovery: Recovery) -> None:
    recovery.ecs.gone = True


def autoscaler_has_room(recovery: Recovery) -> None:
    recovery.scaler.target = Autoscaler(2, 6)
    began = recovery.clock.time
    recovery.scaler.use = lambda minute: Use() if minute >= began - 400 else Use(cpu=50)


def limits_are_not_known(recovery: Recovery) -> None:
    recovery.scaler.refusing = AwsError("AWS refused it: AccessDeniedException", code="AccessDeniedException")


def subnets(recovery: Recovery) -> None:
    recovery.ecs.settings["networkConfiguration"] = {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}


def no_addresses(recovery: Recovery) -> None:
    subnets(recovery)
    recovery.scaler.addresses = 1


def quota_is_used_up(recovery: Recovery) -> None:
    message = (
        "(service BackendService) was unable to place a task. Reason: You've reached the limit on the number of vCPUs"
    )
    recovery.ecs.settings["events"] = [{"message": message, "createdAt": recovery.now}]


def being_deployed(recovery: Recovery) -> None:
    recovery.ecs.deploy_elsewhere(recovery.ecs.live)


def tasks_are_starting(recovery: Recovery) -> None:
    recovery.ecs.settings["runningCount"] = 2
    recovery.scaler.use = recent(recovery, Use())


def tasks_have_just_come(recovery: Recovery) -> None:
    began = recovery.clock.time
    recovery.scaler.use = lambda minute: Use(
        cpu=97 if minute > began - 500 else 50, tasks=3 if minute > began - 200 else 2
    )


def recent(recovery: Recovery, now: Use, before: Use = CALM, seconds: float = 400) -> Callable[[float], Use]:
    """Return what is used: ``now`` since so many seconds."""
    began = recovery.clock.time
    return lambda minute: now if minute >= began - seconds else before


def warm(recovery: Recovery) -> None:
    recovery.scaler.use = lambda _: Use(cpu=89)


def tasks_taken_away(recovery: Recovery) -> None:
    began = recovery.clock.time
    recovery.scaler.use = lambda minute: Use(tasks=6 if minute < began - 1500 else 3)


def ended_early_by_a_person(recovery: Recovery) -> None:
    past = PastScaling(
        scaling_id="scaling:by-hand",
        began_at=recovery.now - timedelta(hours=5),
        result="restored",
        sentence="3 tasks are wanted again.",
        restoring_since=recovery.now - timedelta(minutes=20),
        ended_at=recovery.now - timedelta(minutes=19),
        ended_by="ann",
    )
    recovery.store.states[key_of(TARGET)] = recovery.protection.replace(past_scalings=(past,)).to_bytes()


def lowered_by_terraform(recovery: Recovery) -> None:
    """CloudWatch shows nothing of it: as many tasks have reported all the time."""
    at = recovery.now - timedelta(minutes=6)
    change = Change(what="count", before="6", after="3", since=at, at=at, by=By.TOOL, who="Terraform")
    recovery.store.states[moves_key(TARGET)] = Moves(changes=(change,)).to_bytes()


def one_hot_task(recovery: Recovery) -> None:
    recovery.scaler.use = lambda _: Use(cpu=92, least=20)


def full_memory(recovery: Recovery) -> None:
    recovery.scaler.use = lambda _: Use(cpu=20, memory=95)


def leak_under_load(recovery: Recovery) -> None:
    began = recovery.clock.time
    recovery.scaler.use = lambda minute: Use(cpu=70, memory=95 + (minute - began) / 600)


def no_data(recovery: Recovery) -> None:
    recovery.scaler.measured = False


def old_data(recovery: Recovery) -> None:
    recovery.scaler.late = 1200


def hot_since_the_deployment(recovery: Recovery) -> None:
    """It was deployed two and a half hours ago, and burned its processor after twenty minutes."""
    recovery.ecs.history[-1]["createdAt"] = moment(recovery.clock.time - 9000)
    recovery.scaler.use = recent(recovery, Use(), seconds=7800)


def bad_version_deployed_again(recovery: Recovery) -> None:
    """It burned its processor, and forty minutes later somebody has deployed it once more."""
    recovery.ecs.history[-1]["createdAt"] = moment(recovery.clock.time - 4000)
    message = "(service BackendService) (deployment ecs-svc/1) deployment completed."
    recovery.ecs.settings["events"] = [{"message": message, "createdAt": moment(recovery.clock.time - 6400)}]
    recovery.scaler.use = recent(recovery, Use(), seconds=5200)


def hot_before_the_deployment(recovery: Recovery) -> None:
    recovery.ecs.history[-1]["createdAt"] = moment(recovery.clock.time - 1800)


def another_alert_of_the_new_version(recovery: Recovery) -> None:
    alert = recovery.alert(rule="error_rate", alert_id="errors").model_copy(update={"attribution": "new-version"})
    know(recovery, alert)


def a_person_scales(recovery: Recovery) -> None:
    scaling = EmergencyScaling(
        scaling_id="scaling:by-hand",
        trigger=ManualTrigger(actor="ann"),
        asked_at=recovery.now,
        until=recovery.now + timedelta(hours=1),
        phase="raised",
    )
    recovery.store.states[key_of(TARGET)] = recovery.protection.replace(scaling=scaling).to_bytes()


def ordinary(_: Recovery) -> None:
    """Let everything be as usual."""


def autoscaler_at_its_maximum(recovery: Recovery) -> None:
    governs(recovery, scaling_above_maximum=True)
    recovery.scaler.target = Autoscaler(2, 3)


def one_task_of_many(recovery: Recovery) -> None:
    recovery.ecs.desired = 1
    recovery.scaler.target = Autoscaler(1, 4, scales_out=False)
    recovery.scaler.use = lambda _: Use(tasks=1)


def no_scale_out(recovery: Recovery) -> None:
    recovery.scaler.target = Autoscaler(2, 6, scales_out=False)


def memory_follows_the_load(recovery: Recovery) -> None:
    recovery.scaler.use = recent(recovery, Use(cpu=75, memory=93), Use(cpu=40, memory=50))


@pytest.mark.parametrize(
    ("given", "decision", "reason"),
    [
        (off, "people-called", "switched-off"),
        (disabled, "people-called", "switched-off"),
        (of_the_new_version, "people-called", "new-version"),
        (of_the_database, "people-called", "dependency"),
        (database_is_busy, "people-called", "database"),
        (database_is_full, "people-called", "database"),
        (database_refuses, "people-called", "database"),
        (a_daemon, "people-called", "daemon"),
        (zero, "declined", "zero"),
        (gone, "declined", "gone"),
        (at_the_maximum, "people-called", "at-most"),
        (only_one_task, "people-called", "at-most"),
        (only_one_task_allowed, "people-called", "at-most"),
        (autoscaler_has_room, "declined", "autoscaler"),
        (limits_are_not_known, "declined", "unseen"),
        (no_addresses, "people-called", "addresses"),
        (quota_is_used_up, "people-called", "placement"),
        (being_deployed, "declined", "deploying"),
        (tasks_are_starting, "declined", "autoscaler"),
        (tasks_have_just_come, "declined", "autoscaler"),
        (tasks_taken_away, "people-called", "taken-away"),
        (ended_early_by_a_person, "people-called", "taken-away"),
        (lowered_by_terraform, "people-called", "taken-away"),
        (warm, "declined", "not-exhausted"),
        (one_hot_task, "people-called", "some-tasks"),
        (full_memory, "people-called", "memory"),
        (leak_under_load, "people-called", "memory"),
        (no_data, "declined", "unseen"),
        (old_data, "declined", "unseen"),
        (hot_since_the_deployment, "people-called", "new-version"),
        (bad_version_deployed_again, "people-called", "new-version"),
        (another_alert_of_the_new_version, "people-called", "new-version"),
        (a_person_scales, "declined", "under-way"),
    ],
)
async def test_why_it_is_not_scaled_is_on_record(
    recovery: Recovery, given: Callable[[Recovery], dict[str, Any] | None], decision: str, reason: str
) -> None:
    changes = given(recovery) or {}
    standing = recovery.protection.scaling
    await exhausted(recovery, **changes)
    await exhausted(recovery, **changes)
    assert (decisions(recovery), recovery.ecs.changing) == ([(decision, reason)], [])
    assert recovery.protection.scaling == standing


@pytest.mark.parametrize(
    "given",
    [
        ordinary,
        autoscaler_at_its_maximum,
        one_task_of_many,
        no_scale_out,
        hot_before_the_deployment,
        memory_follows_the_load,
    ],
)
async def test_an_exhausted_service_is_scaled_on_a_built_in_warning(
    recovery: Recovery, given: Callable[[Recovery], None]
) -> None:
    given(recovery)
    before = recovery.ecs.desired
    await warned(recovery)
    assert decisions(recovery) == [("acted", "alert")]
    assert recovery.ecs.desired > before


async def test_it_is_looked_again_while_the_warning_fires_and_no_longer(recovery: Recovery) -> None:
    recovery.scaler.use = lambda _: Use(cpu=84)
    await warned(recovery)
    await later(recovery, 10)
    assert decisions(recovery) == [("declined", "not-exhausted")], "the same answer is recorded once"
    recovery.scaler.use = lambda _: Use()
    await later(recovery)
    assert decisions(recovery)[-1] == ("acted", "alert")
    other = Recovery()
    governs(other)
    other.scaler.use = lambda _: Use(cpu=84)
    await warned(other)
    await warned(other, "resolved")
    other.scaler.use = lambda _: Use()
    await later(other, 5)
    await warned(other)  # a late delivery
    assert decisions(other) == [("declined", "not-exhausted"), ("declined", "over")]


async def test_an_autoscaler_that_does_not_use_its_room_is_told_to_people_after_a_quarter_of_an_hour(
    recovery: Recovery,
) -> None:
    recovery.scaler.target = Autoscaler(2, 6)
    began = recovery.clock.time
    recovery.scaler.use = lambda minute: Use() if minute >= began - 300 else Use(cpu=50)
    await warned(recovery)
    await later(recovery, 5)
    assert decisions(recovery) == [("declined", "autoscaler")]
    await later(recovery, 8)
    assert decisions(recovery)[-1] == ("people-called", "autoscaler")
    assert recovery.published(ScalingStarted) == []


async def test_what_was_in_the_way_is_over(recovery: Recovery) -> None:
    recovery.scaler.addresses = 0
    subnets(recovery)
    await warned(recovery)
    assert decisions(recovery) == [("people-called", "addresses")]
    recovery.scaler.addresses = 100
    await later(recovery)
    assert decisions(recovery)[-1] == ("acted", "alert")


async def test_while_aws_refuses_nothing_is_scaled_and_then_it_is(recovery: Recovery) -> None:
    recovery.scaler.refusing = AwsError("AWS refused it: AccessDeniedException", code="AccessDeniedException")
    await warned(recovery)
    await later(recovery, 3)
    assert decisions(recovery) == [("declined", "unseen")]
    recovery.scaler.refusing = None
    await later(recovery)
    assert decisions(recovery)[-1] == ("acted", "alert")


async def test_a_scaling_that_its_job_refuses_is_looked_at_again(recovery: Recovery) -> None:
    recovery.clock.time += 1
    subnets(recovery)
    warning = WarningAlert.model_validate(recovery.alert(rule="cpu").model_dump())
    await recovery.send(warning, "warning")
    await recovery.work(only="look-exhausted")
    recovery.scaler.addresses = 0
    await recovery.work()
    assert decisions(recovery) == [("declined", "addresses")]
    recovery.scaler.addresses = 100
    await later(recovery)
    assert decisions(recovery)[-1] == ("acted", "alert")


async def test_a_run_that_arms_while_it_looks_goes_first(recovery: Recovery) -> None:
    work = LookWork(target=TARGET, alert=ResourceAlert.of(recovery.alert(rule="cpu_exhausted")))
    found = await recovery.jobs["look-exhausted"](recovery.work_on("look-exhausted", work.to_bytes()))
    await recovery.arm()
    recovery.store.write(found)
    assert decisions(recovery) == [("declined", "armed")]
    await recovery.send(Disarm(target=TARGET, run_id="run-1"), "disarm")
    await later(recovery)
    assert decisions(recovery)[-1] == ("acted", "alert")


async def test_a_warning_about_anything_else_is_nothing_to_recovery(recovery: Recovery) -> None:
    await warned(recovery, rule="response_time_warning")
    await warned(recovery, rule="dead-letter")
    assert (recovery.store.jobs, recovery.store.timers, decisions(recovery)) == ({}, {}, [])


async def test_a_bad_version_that_is_rolled_back_outside_a_run_is_not_scaled_before(recovery: Recovery) -> None:
    """Whichever of the two jobs comes first, and whatever the load has been before."""
    for only in ("look-exhausted", "consider-alert"):
        other = Recovery()
        governs(other, rollback_window=60)
        other.clock.time += 1
        alert = other.alert(rule="cpu_exhausted").model_copy(update={"attribution": "new-version"})
        await other.send(alert, "alert")
        await other.work(only=only)
        await other.work()
        assert other.published(ScalingStarted) == []
        assert decisions(other) == [("people-called", "new-version")]


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
