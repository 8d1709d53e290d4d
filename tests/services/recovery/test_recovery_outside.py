"""Critical alerts outside a run: what is rolled back, what is not, and what is told of either."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from contracts.base import Target
from contracts.monitor import CriticalAlert, DependencyFault
from contracts.policy import Recovery as RecoverySection
from contracts.policy import ServicePolicy
from contracts.recovery import (
    AlertTrigger,
    Arm,
    Disarm,
    RollBack,
    RollbackFinished,
    RollbackStarted,
)
from services._aws.errors import AwsError
from services._chassis.clock import moment
from services.recovery.decisions.consider import AGAIN
from services.recovery.decisions.record import decision_key
from services.recovery.domain.outside.pause import PAUSE
from services.recovery.domain.protection import Protection, key_of
from tests.services.recovery.harness import ARN, BAD, GOOD, OTHER, REPOSITORY, TARGET, Recovery

MINUTES = 60.0


async def succeeded(recovery: Recovery, image: str = OTHER, run: str = "run-1", *, auto: bool = True) -> None:
    """Deploy an image by a run that succeeds: its version is proven, and nobody is armed any more."""
    await recovery.arm(run, auto=auto)
    await recovery.change(run, image)
    recovery.clock.time += 5 * MINUTES
    await recovery.snapshot(run, "after-change")
    await recovery.send(Disarm(target=TARGET, run_id=run), f"{run}:disarm")


def deploys(recovery: Recovery, image: str = BAD, **changes: Any) -> str:
    """Deploy an image as a person does, past Surefoot; return ECS's id of the deployment."""
    recovery.ecs.deploy_elsewhere(recovery.ecs.add_definition(image, **changes))
    recovery.ecs.bad.discard(image)  # it starts, and fails its users
    return str(recovery.ecs.history[-1]["id"])


def alert(recovery: Recovery, **values: Any) -> CriticalAlert:
    """Return an alert about the deployment that is live, whose window of two minutes has just ended."""
    now = recovery.now
    told: dict[str, Any] = {
        "target": TARGET, "alert_id": "alert-1", "rule": "error_rate", "state": "raised", "value": 30,
        "comparison": ">", "threshold": 10, "unit": "%", "samples": 100, "began_at": now,
        "window_from": now - timedelta(minutes=2), "window_until": now, "attribution": "new-version",
        "deployment_id": recovery.ecs.history[-1]["id"], "detail": "error_rate: 30%, limit > 10%", "doubt": "",
    }  # fmt: skip
    return CriticalAlert.model_validate(told | values)


async def hears(recovery: Recovery, told: CriticalAlert, id_: str = "alert-1:raised") -> None:
    """Deliver an alert, and let the pause pass before recovery acts."""
    await decides(recovery, told, id_)
    await recovery.work()


async def decides(recovery: Recovery, told: CriticalAlert, id_: str = "alert-1:raised") -> None:
    """Deliver an alert, and let time pass until it is decided, before anything is done."""
    known = len(recovery.decided)
    await recovery.send(told, id_)
    await recovery.work(only="consider-alert")
    await waits(recovery, known)


async def waits(recovery: Recovery, known: int) -> None:
    """Let recovery look again until there is a further decision than the ``known`` ones, as long as a pause lasts."""
    for _ in range(PAUSE // AGAIN):
        if len(recovery.decided) > known:
            return
        recovery.clock.time += AGAIN.total_seconds()
        await recovery.fire()
        await recovery.work(only="consider-alert")


@pytest.fixture
async def recovery() -> Recovery:
    """A run has succeeded, and a person has deployed a bad image twenty minutes ago."""
    made = Recovery()
    await succeeded(made)
    made.clock.time += 90 * MINUTES
    deploys(made)
    made.clock.time += 20 * MINUTES
    return made


def governs(recovery: Recovery, **values: Any) -> None:
    recovery.policies.reload(
        ServicePolicy(target=TARGET, recovery=RecoverySection(**({"rollback_window": 60} | values)))
    )


def told(recovery: Recovery) -> list[tuple[str, str]]:
    """Return the decisions about alerts outside a run, the oldest first, each with its reason."""
    return [(event.decision, event.reason) for event in recovery.decided if event.run_id is None]


async def test_a_bad_version_of_somebody_else_is_rolled_back_to_the_proven_one(recovery: Recovery) -> None:
    bad, version = recovery.ecs.history[-1]["id"], recovery.ecs.live
    await hears(recovery, alert(recovery))
    [started], [finished] = recovery.published(RollbackStarted), recovery.published(RollbackFinished)
    assert (started.run_id, started.deployment_id, started.task_definition) == (None, bad, version)
    assert isinstance(started.cause, AlertTrigger)
    assert (finished.result, finished.rollback.by) == ("restored", "surefoot")
    assert finished.deployment_id == recovery.ecs.history[-1]["id"]
    assert recovery.ecs.live == f"{ARN}:2"
    assert told(recovery) == [("acted", "alert")]
    [decision] = [event for event in recovery.decided if event.run_id is None]
    assert (decision.deployment_id, decision.rollback_id) == (bad, started.rollback_id)
    assert "backend:3" in decision.sentence
    assert "which is proven, 25 minutes after it was rolled out: error_rate: 30%, limit > 10%." in decision.sentence


async def test_the_outcome_of_the_run_stays(recovery: Recovery) -> None:
    await hears(recovery, alert(recovery))
    assert recovery.protection.rollback_of("run-1") is None
    answer = await recovery.send(RollBack(target=TARGET, run_id="run-1", trigger="late"), "late")
    assert answer is not None
    assert (answer.verdict, answer.cause) == ("fail", "refused"), "the run has had no rollback, and is not armed"


async def test_what_a_run_has_deployed_is_rolled_back_to_the_version_that_it_had_found() -> None:
    """The first run of all: nothing is proven but its own version."""
    made = Recovery()
    await succeeded(made)
    made.clock.time += 30 * MINUTES
    await hears(made, alert(made))
    assert [event.result for event in made.published(RollbackFinished)] == ["restored"]
    assert made.ecs.live == f"{ARN}:1"
    assert "which had been live for 24 hours" in made.decided[-1].sentence


async def test_that_version_is_not_trusted_where_nothing_is_known_of_how_it_was() -> None:
    made = Recovery()
    await succeeded(made)
    made.clock.time += 30 * MINUTES
    await hears(made, alert(made, attribution=None))
    assert told(made) == [("people-called", "no-evidence")]


async def test_a_version_that_was_live_for_minutes_is_no_way_back() -> None:
    """A hotfix in an incident: the version before it is the reason for it."""
    made = Recovery()
    deploys(made)
    made.clock.time += 10 * MINUTES
    await succeeded(made)
    made.clock.time += 30 * MINUTES
    await hears(made, alert(made))
    assert told(made) == [("people-called", "no-way-back")]


@pytest.mark.parametrize(("minutes", "said"), [(15, ("people-called", "no-way-back")), (61, ("acted", "alert"))])
async def test_a_proven_version_that_was_replaced_within_an_hour_is_no_way_back(
    minutes: int, said: tuple[str, str]
) -> None:
    """What replaced it so soon may be the remedy of a fault that raises no alert."""
    made = Recovery()
    await succeeded(made)
    made.clock.time += minutes * MINUTES
    deploys(made)
    made.clock.time += 25 * MINUTES
    await hears(made, alert(made))
    assert told(made) == [said]


async def test_fail_fail_and_back_goes_to_no_failure() -> None:
    """R9: the version before was a failed one itself, and nobody knows whether the one before that still fits."""
    made = Recovery()
    await succeeded(made)
    made.clock.time += 5 * MINUTES
    deploys(made, f"{REPOSITORY}@sha256:{'d' * 64}")
    await made.snapshot("run-2")
    made.clock.time += 10 * MINUTES
    deploys(made)
    made.clock.time += 10 * MINUTES
    await hears(made, alert(made))
    assert told(made) == [("people-called", "no-way-back")]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"attribution": "neither"}, ("declined", "not-attributed")),
        ({"attribution": "version-before"}, ("people-called", "version-before")),
        ({"window_from": None, "window_until": None}, ("people-called", "no-evidence")),
        ({"deployment_id": ""}, ("people-called", "no-evidence")),
        ({"deployment_id": "ecs-svc/2"}, ("declined", "moved")),
        ({"dependency_fault": DependencyFault(name="db", detail="db is failed")}, ("people-called", "dependency")),
        ({"dependency": "db is failed"}, ("people-called", "dependency")),
    ],
)
async def test_what_the_version_is_not_to_blame_for_changes_nothing(
    recovery: Recovery, values: dict[str, Any], expected: tuple[str, str]
) -> None:
    await hears(recovery, alert(recovery, **values))
    assert told(recovery) == [expected]
    assert recovery.published(RollbackStarted) == []
    assert len(recovery.ecs.updates) == 1, "the run's own change"


async def test_a_window_that_began_before_the_deployment_is_not_its_own(recovery: Recovery) -> None:
    began = recovery.ecs.history[-1]["createdAt"]
    await hears(recovery, alert(recovery, window_from=began - timedelta(seconds=1)))
    assert told(recovery) == [("declined", "not-attributed")]


@pytest.mark.parametrize("attribution", [None, "new-version"])
async def test_a_version_that_was_deployed_into_an_incident_is_not_taken_back(
    recovery: Recovery, attribution: str | None
) -> None:
    """A hotfix: the version before broke the rule, so it is no way out, whoever breaks it more."""
    began = recovery.ecs.history[-1]["createdAt"]
    await hears(recovery, alert(recovery, attribution=attribution, began_at=began - timedelta(minutes=9)))
    assert told(recovery) == [("people-called", "already-there")]


async def test_a_database_that_is_not_reached_is_nobodys_fault(recovery: Recovery) -> None:
    await hears(recovery, alert(recovery, rule="database_connections"))
    assert told(recovery) == [("people-called", "dependency")]


async def test_a_database_that_no_policy_names_excuses_what_fails_without_it(recovery: Recovery) -> None:
    """The monitor raises both at the same look; that of the database comes after the other one."""
    await recovery.send(alert(recovery), "alert-1:raised")
    await recovery.send(alert(recovery, alert_id="alert-2", rule="database_connections"), "alert-2:raised")
    await recovery.work()
    assert told(recovery) == [("people-called", "dependency")] * 2
    assert recovery.published(RollbackStarted) == []


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"enabled": False}, "switched-off"),
        ({"rollback_window": 0}, "switched-off"),
        ({"rollback_window": 15}, "too-old"),
        ({"rollback_window": 20}, "too-old"),
        ({"triggers": ("response_time",)}, "no-trigger"),
    ],
)
async def test_the_policy_decides_whether_recovery_acts(
    recovery: Recovery, values: dict[str, Any], reason: str
) -> None:
    governs(recovery, **values)
    await hears(recovery, alert(recovery))
    assert told(recovery) == [("people-called", reason)]
    governs(recovery, rollback_window=26, triggers=("error_rate",))
    await hears(recovery, alert(recovery, alert_id="alert-2"), "alert-2")
    assert told(recovery)[-1] == ("acted", "alert")


@pytest.mark.parametrize(("minutes", "said"), [(54, ("acted", "alert")), (55, ("people-called", "too-old"))])
async def test_whoever_sets_an_hour_has_an_hour(recovery: Recovery, minutes: int, said: tuple[str, str]) -> None:
    governs(recovery, rollback_window=60)
    recovery.clock.time += (minutes - 20) * MINUTES
    await hears(recovery, alert(recovery))
    assert told(recovery) == [said]


async def test_whoever_says_nothing_has_an_hour(recovery: Recovery) -> None:
    recovery.policies.reload(ServicePolicy(target=TARGET))
    await hears(recovery, alert(recovery))
    assert told(recovery) == [("acted", "alert")]


async def test_whoever_switches_it_off_has_nothing_rolled_back_and_nothing_is_looked_at(recovery: Recovery) -> None:
    governs(recovery, rollback_window=0)
    recovery.ecs.refusing["service"] = AwsError("nobody may ask", temporary=False)
    await hears(recovery, alert(recovery))
    assert told(recovery) == [("people-called", "switched-off")]
    assert recovery.published(RollbackStarted) == []


async def test_a_service_that_the_policy_does_not_list_is_left_alone(recovery: Recovery) -> None:
    recovery.policies.refused = frozenset({TARGET})
    await hears(recovery, alert(recovery))
    assert told(recovery) == [("people-called", "not-governed")]


async def test_ninety_minutes_later_people_are_called(recovery: Recovery) -> None:
    recovery.clock.time += 70 * MINUTES
    await hears(recovery, alert(recovery))
    assert told(recovery) == [("people-called", "too-old")]
    assert "has been deployed for 1 hour 30 minutes" in recovery.decided[-1].sentence
    assert recovery.published(RollbackStarted) == []


async def test_a_rollout_that_takes_long_is_young_when_it_is_over(recovery: Recovery) -> None:
    recovery.clock.time += 70 * MINUTES
    recovery.ecs.history[-1] |= {"status": "SUCCESSFUL", "finishedAt": moment(recovery.clock.now() - 30 * MINUTES)}
    await hears(recovery, alert(recovery))
    assert told(recovery) == [("acted", "alert")]


async def test_without_any_snapshot_people_are_called() -> None:
    made = Recovery()
    deploys(made)
    made.clock.time += 20 * MINUTES
    await hears(made, alert(made))
    assert told(made) == [("people-called", "no-way-back")]


async def test_the_same_image_is_no_way_back(recovery: Recovery) -> None:
    """R5: another revision brings the image that is broken."""
    deploys(recovery, OTHER)
    recovery.clock.time += 20 * MINUTES
    await hears(recovery, alert(recovery))
    assert told(recovery) == [("people-called", "was-live-before")]


async def test_another_setting_with_the_same_image_is_another_version() -> None:
    made = Recovery()
    await succeeded(made)
    made.clock.time += 90 * MINUTES
    deploys(made, OTHER, cpu="256")
    made.clock.time += 20 * MINUTES
    await hears(made, alert(made))
    assert told(made) == [("acted", "alert")]
    assert made.ecs.live == f"{ARN}:2"


async def test_a_moved_tag_is_another_version_and_the_old_image_comes_back_by_its_digest() -> None:
    """R5: the task definition is the same, and what its tag names is not."""
    made, tagged = Recovery(), f"{REPOSITORY}:live"
    made.ecs.running = "sha256:" + "e" * 64
    await succeeded(made, tagged)
    made.clock.time += 90 * MINUTES
    made.ecs.running = made.registry.tags[tagged] = "sha256:" + "f" * 64
    made.ecs.deploy_elsewhere(made.ecs.live)
    made.clock.time += 20 * MINUTES
    await hears(made, alert(made))
    assert told(made) == [("acted", "alert")]
    assert [event.result for event in made.published(RollbackFinished)] == ["restored"]
    image = made.ecs.definitions[-1]["containerDefinitions"][0]["image"]
    assert image == f"{REPOSITORY}@sha256:{'e' * 64}"
    assert made.ecs.live == made.ecs.definitions[-1]["taskDefinitionArn"]


async def test_an_image_whose_digest_nobody_knows_may_have_been_live_before(
    recovery: Recovery,
) -> None:
    recovery.ecs.running = ""
    made = recovery
    await succeeded(made, f"{REPOSITORY}:live", "run-2")
    made.ecs.deploy_elsewhere(made.ecs.live)
    made.clock.time += 20 * MINUTES
    await hears(made, alert(made))
    decision = made.decided[-1]
    assert (decision.decision, decision.reason) == ("people-called", "was-live-before"), "it may have been live before"


# one rollback for a deployment, and no duel


async def test_whoever_deploys_again_what_was_taken_back_is_not_fought(recovery: Recovery) -> None:
    """Terraform, or a person: the task definition is the same, and ECS's id of the deployment is another one."""
    bad = recovery.ecs.live
    await hears(recovery, alert(recovery))
    for count in range(3):
        recovery.clock.time += 40 * MINUTES
        recovery.ecs.deploy_elsewhere(bad)
        recovery.clock.time += 20 * MINUTES
        await hears(recovery, alert(recovery, alert_id=f"again-{count}"), f"again-{count}")
    again = [("people-called", "was-live-before")] * 2
    assert told(recovery) == [("acted", "alert"), ("people-called", "once"), *again]
    assert recovery.ecs.live == bad


@pytest.mark.parametrize(("minutes", "said"), [(10, ("people-called", "once")), (70, ("acted", "alert"))])
async def test_a_service_is_rolled_back_once_within_its_window(
    recovery: Recovery, minutes: int, said: tuple[str, str]
) -> None:
    await hears(recovery, alert(recovery))
    await recovery.send(alert(recovery, state="resolved"), "alert-1:resolved")
    recovery.clock.time += (minutes - 5) * MINUTES
    deploys(recovery, f"{REPOSITORY}@sha256:{'d' * 64}")
    recovery.clock.time += 5 * MINUTES
    await hears(recovery, alert(recovery, alert_id="alert-2"), "alert-2")
    assert told(recovery) == [("acted", "alert"), said]


@pytest.mark.parametrize("minutes", [10, 61, 7 * 24 * 60])
@pytest.mark.parametrize("told_by", ["the state", "the history of ECS", "both"])
async def test_the_same_content_registered_anew_is_not_fought(recovery: Recovery, minutes: int, told_by: str) -> None:
    await hears(recovery, alert(recovery))
    recovery.clock.time += (minutes - 5) * MINUTES
    if told_by == "the state":
        recovery.ecs.history[:] = recovery.ecs.history[-1:]
    if told_by == "the history of ECS":
        recovery.store.states[key_of(TARGET)] = recovery.protection.replace(settled=(), firing={}).to_bytes()
    again = deploys(recovery)
    recovery.clock.time += 5 * MINUTES
    await hears(recovery, alert(recovery, alert_id="alert-2"), "alert-2")
    reason = "was-live-before" if told_by == "the history of ECS" else "once"
    assert told(recovery) == [("acted", "alert"), ("people-called", reason)]
    assert recovery.ecs.history[-1]["id"] == again


async def test_nobody_goes_back_to_what_was_just_taken_back() -> None:
    """Version 3 is proven and was taken back; the version that was brought back is the way back from the fix."""
    made = Recovery()
    await succeeded(made, GOOD)
    made.clock.time += 180 * MINUTES
    await succeeded(made, OTHER, "run-2")
    made.clock.time += 20 * MINUTES
    await hears(made, alert(made))
    brought = made.ecs.live
    await made.send(alert(made, state="resolved"), "alert-1:resolved")
    made.clock.time += 60 * MINUTES
    deploys(made)
    made.clock.time += 20 * MINUTES
    await hears(made, alert(made, alert_id="alert-2"), "alert-2")
    assert told(made) == [("acted", "alert"), ("acted", "alert")]
    assert made.ecs.live == brought


async def test_what_a_rollback_has_brought_back_is_not_taken_back(recovery: Recovery) -> None:
    await hears(recovery, alert(recovery))
    recovery.clock.time += 20 * MINUTES
    await hears(recovery, alert(recovery, alert_id="alert-2"), "alert-2")
    assert told(recovery) == [("acted", "alert"), ("people-called", "brought-back")]
    assert len(recovery.published(RollbackStarted)) == 1


async def test_what_a_run_has_rolled_back_to_is_not_taken_back_either() -> None:
    made = Recovery()
    await succeeded(made)
    made.clock.time += 10 * MINUTES
    await made.arm("run-2")
    await made.change("run-2", BAD)
    await made.send(RollBack(target=TARGET, run_id="run-2", trigger="a gate"), "command")
    await made.work()
    made.clock.time += 10 * MINUTES
    await hears(made, alert(made))
    assert told(made) == [("people-called", "brought-back")]


async def test_a_rollback_that_failed_is_not_tried_again(recovery: Recovery) -> None:
    recovery.ecs.refusing["update"] = AwsError("AWS said no", temporary=False)
    await hears(recovery, alert(recovery))
    assert [event.result for event in recovery.published(RollbackFinished)] == ["failed"]
    recovery.ecs.refusing.clear()
    await hears(recovery, alert(recovery, alert_id="alert-2", rule="response_time"), "alert-2")
    assert told(recovery) == [("acted", "alert"), ("people-called", "once")]


async def test_a_person_who_goes_back_by_hand_is_not_fought(recovery: Recovery) -> None:
    recovery.ecs.deploy_elsewhere(f"{ARN}:1")
    recovery.clock.time += 20 * MINUTES
    await hears(recovery, alert(recovery))
    assert told(recovery) == [("people-called", "was-live-before")]
    assert recovery.ecs.live == f"{ARN}:1"


async def test_a_hotfix_that_begins_between_alert_and_look_is_left_alone(recovery: Recovery) -> None:
    await recovery.send(alert(recovery), "alert-1:raised")
    hotfix = deploys(recovery, GOOD.replace("a" * 64, "e" * 64))
    await recovery.work()
    assert told(recovery) == [("declined", "moved")]
    assert recovery.ecs.history[-1]["id"] == hotfix


async def test_a_hotfix_that_begins_between_decision_and_call_is_left_alone(recovery: Recovery) -> None:
    await decides(recovery, alert(recovery))
    hotfix = deploys(recovery, GOOD.replace("a" * 64, "e" * 64))
    await recovery.work()
    assert [event.result for event in recovery.published(RollbackFinished)] == ["superseded"]
    assert recovery.ecs.history[-1]["id"] == hotfix


async def test_a_deployment_of_a_run_without_automatic_recovery_is_left_alone() -> None:
    made = Recovery()
    await succeeded(made, auto=False)
    made.clock.time += 20 * MINUTES
    await hears(made, alert(made))
    assert told(made) == [("people-called", "not-asked-for")]


async def test_ecs_that_rolls_back_is_waited_for(recovery: Recovery) -> None:
    accused = recovery.ecs.history[-1]["id"]
    recovery.ecs.history[-1]["status"] = "ROLLBACK_IN_PROGRESS"
    await hears(recovery, alert(recovery))
    assert told(recovery) == [("declined", "ecs")]
    recovery.ecs.fall_back(f"{ARN}:2", "ROLLBACK_SUCCESSFUL")
    recovery.ecs.history[-1]["id"] = "ecs-svc/of-ecs"
    recovery.clock.time += 60
    await recovery.fire()
    await recovery.work()
    assert told(recovery) == [("declined", "ecs"), ("declined", "moved")]
    assert recovery.decided[-1].deployment_id == accused
    await hears(recovery, alert(recovery, alert_id="alert-2"), "alert-2")
    assert told(recovery)[-1] == ("people-called", "brought-back")


# beside runs


async def test_a_run_that_has_armed_is_waited_for(recovery: Recovery) -> None:
    await recovery.arm("run-2")
    await hears(recovery, alert(recovery))
    assert told(recovery) == [("declined", "armed")]
    recovery.clock.time += 60
    await recovery.fire()
    await recovery.work()
    assert told(recovery) == [("declined", "armed")], "the same is told once"
    await recovery.send(Disarm(target=TARGET, run_id="run-2"), "run-2:disarm")
    await waits(recovery, len(recovery.decided))
    assert told(recovery) == [("declined", "armed"), ("acted", "alert")]


async def test_a_run_that_arms_between_look_and_decision_wins(recovery: Recovery) -> None:
    snapshot = await recovery.snapshot("run-2")
    await recovery.send(alert(recovery), "alert-1:raised")
    look = recovery.ecs.service_revisions

    async def arms(target: Target, arns: Sequence[str]) -> list[dict[str, Any]]:
        until = recovery.now + timedelta(minutes=60)
        await recovery.send(Arm(target=TARGET, run_id="run-2", snapshot_id=snapshot, expires_at=until), "run-2:arm")
        return await look(target, arns)

    recovery.ecs.service_revisions = arms  # type: ignore[method-assign]
    await recovery.work()
    assert told(recovery) == [("declined", "armed")]
    assert recovery.published(RollbackStarted) == []
    answer = await recovery.change("run-2", GOOD)
    assert answer is not None
    assert answer.verdict == "pass"


async def test_a_run_that_comes_second_may_not_arm(recovery: Recovery) -> None:
    await decides(recovery, alert(recovery))
    snapshot = recovery.protection.snapshots[0].snapshot_id
    until = recovery.now + timedelta(minutes=60)
    arm = Arm(target=TARGET, run_id="run-2", snapshot_id=snapshot, expires_at=until)
    answer = await recovery.send(arm, "run-2:arm")
    assert answer is not None
    assert (answer.verdict, answer.cause) == ("fail", "refused")


async def test_a_rollback_by_hand_is_refused_meanwhile_and_afterwards_allowed(recovery: Recovery) -> None:
    before = recovery.protection.epoch
    await decides(recovery, alert(recovery))
    assert recovery.protection.epoch == before + 1, "work of before must not change anything any more"
    await recovery.work()
    assert recovery.protection.rollback is None


# what goes wrong


async def test_a_look_that_aws_throttles_is_made_again(recovery: Recovery) -> None:
    recovery.ecs.refusing["service"] = AwsError("ECS throttled DescribeServices", temporary=True)
    await hears(recovery, alert(recovery))
    assert told(recovery) == [("declined", "unseen")]
    recovery.ecs.refusing.clear()
    await waits(recovery, len(recovery.decided))
    assert told(recovery) == [("declined", "unseen"), ("acted", "alert")]


async def test_after_ten_minutes_without_a_look_people_are_called(recovery: Recovery) -> None:
    recovery.ecs.refusing["service"] = AwsError("ECS denied DescribeServices", temporary=False)
    await hears(recovery, alert(recovery))
    for _ in range(12):
        recovery.clock.time += 60
        await recovery.fire()
        await recovery.work()
    assert told(recovery) == [("declined", "unseen"), ("people-called", "unseen")]
    assert recovery.store.timers == {}, "nobody looks again"


@pytest.mark.parametrize("method", ["deployments", "service_revisions"])
async def test_who_cannot_see_what_was_live_before_calls_people(recovery: Recovery, method: str) -> None:
    recovery.ecs.refusing[method] = AwsError("denied", temporary=False)
    await hears(recovery, alert(recovery))
    for _ in range(12):
        recovery.clock.time += 60
        await recovery.fire()
        await recovery.work()
    assert told(recovery) == [("declined", "unseen"), ("people-called", "unseen")]
    assert "ECS did not tell what was live before backend:3" in recovery.decided[-1].sentence
    assert len(recovery.ecs.updates) == 1, "the run's own change"


@pytest.mark.parametrize("method", ["pace", "targets"])
async def test_what_the_decision_can_do_without_does_not_stop_it(recovery: Recovery, method: str) -> None:
    recovery.ecs.refusing[method] = AwsError("denied", temporary=False)
    await hears(recovery, alert(recovery))
    assert told(recovery) == [("acted", "alert")]


async def test_an_alert_that_is_over_before_the_look_changes_nothing(recovery: Recovery) -> None:
    await recovery.send(alert(recovery), "alert-1:raised")
    await recovery.send(alert(recovery, state="resolved"), "alert-1:resolved")
    await recovery.work()
    assert told(recovery) == [("declined", "over")]


async def test_an_alert_that_is_over_is_not_looked_at_again(recovery: Recovery) -> None:
    await recovery.arm("run-2")
    await hears(recovery, alert(recovery))
    await recovery.send(alert(recovery, state="resolved"), "alert-1:resolved")
    assert not [id_ for id_ in recovery.store.timers if id_.startswith("consider:")]


@pytest.mark.parametrize("copies", [1, 3])
async def test_an_alert_that_comes_again_begins_one_rollback(recovery: Recovery, copies: int) -> None:
    again = alert(recovery)
    for copy in range(copies):
        await recovery.send(again, f"copy-{copy}")
    await waits(recovery, len(recovery.decided))
    await recovery.work()
    await recovery.send(again, "late copy")
    await recovery.work()
    assert len(recovery.published(RollbackStarted)) == 1
    assert [event for event in told(recovery) if event[0] == "acted"] == [("acted", "alert")]


async def test_a_service_that_is_gone_needs_nobody(recovery: Recovery) -> None:
    recovery.ecs.gone = True
    await hears(recovery, alert(recovery))
    assert told(recovery) == [("declined", "gone")]


async def test_a_service_that_update_service_cannot_bring_back_calls_people(recovery: Recovery) -> None:
    recovery.ecs.settings["deploymentConfiguration"]["strategy"] = "BLUE_GREEN"
    await hears(recovery, alert(recovery))
    assert told(recovery) == [("people-called", "unsupported")]


async def test_a_snapshot_that_was_changed_in_the_bucket_is_no_way_back(recovery: Recovery) -> None:
    for name, stored in recovery.shelf.objects.items():
        recovery.shelf.objects[name] = type(stored)(stored.body.replace(b"512", b"256"), stored.signature)
    await hears(recovery, alert(recovery))
    assert told(recovery) == [("people-called", "no-way-back")]


# a Redis that was restored


async def restored(recovery: Recovery, copy: Callable[[], bytes]) -> None:
    """Put an older state back, forget the jobs, and read again what recovery has published since."""
    recovery.store.states[key_of(TARGET)] = copy()
    recovery.store.jobs.clear()
    recovery.store.timers.clear()
    recovery.store.seen.clear()
    for emission in list(recovery.store.emitted):
        if isinstance(emission.event, RollbackStarted | RollbackFinished):
            await recovery.send(emission.event, emission.id, again=True)


async def test_what_was_brought_back_is_known_after_a_restoration(recovery: Recovery) -> None:
    state, raised = recovery.store.states[key_of(TARGET)], alert(recovery)
    await hears(recovery, raised)
    await restored(recovery, lambda: state)
    assert recovery.protection.rollback is None
    recovery.clock.time += 1
    await recovery.fire()
    await hears(recovery, raised, "again")
    await hears(recovery, alert(recovery, alert_id="alert-2"), "alert-2")
    assert {event.rollback_id for event in recovery.published(RollbackStarted)} == {
        event.rollback_id for event in recovery.published(RollbackFinished)
    }
    assert len(recovery.ecs.updates) == 2, "the run's change, and one rollback"
    assert told(recovery)[-1] == ("people-called", "brought-back")


async def test_a_rollback_whose_end_was_not_published_goes_on_after_a_restoration(recovery: Recovery) -> None:
    state = recovery.store.states[key_of(TARGET)]
    await decides(recovery, alert(recovery))
    await restored(recovery, lambda: state)
    assert recovery.store.jobs == {}, "nothing is begun before all is read"
    recovery.clock.time += 1
    await recovery.fire()
    await recovery.work()
    assert [event.result for event in recovery.published(RollbackFinished)] == ["restored"]
    assert recovery.ecs.live == f"{ARN}:2"


async def test_its_own_events_change_nothing_at_any_other_time(recovery: Recovery) -> None:
    await hears(recovery, alert(recovery))
    for emission in list(recovery.store.emitted):
        if isinstance(emission.event, RollbackStarted | RollbackFinished):
            before = recovery.store.states[key_of(TARGET)]
            await recovery.send(emission.event, f"{emission.id}:2")
            assert recovery.store.states[key_of(TARGET)] == before


# what is kept


async def test_each_decision_is_kept_for_readers(recovery: Recovery) -> None:
    await hears(recovery, alert(recovery))
    places = range(recovery.protection.decisions)
    kept = [recovery.store.records[decision_key(TARGET, str(place))] for place in places]
    assert [event.model_dump_json().encode() for event in recovery.decided] == kept


async def test_decisions_of_runs_are_told_too() -> None:
    made = Recovery()
    await made.deployed()
    await made.send(alert(made, attribution="neither"), "early")
    await made.send(alert(made, attribution="neither"), "early again")
    await made.send(RollBack(target=TARGET, run_id="run-0", trigger="a gate"), "of another run")
    await made.send(RollBack(target=TARGET, run_id="run-1", trigger="smoke failed"), "command")
    said = [(event.run_id, event.decision, event.reason) for event in made.decided]
    assert said == [
        ("run-1", "declined", "not-attributed"),
        ("run-0", "declined", "not-armed"),
        ("run-1", "acted", "command"),
    ]


def test_a_state_of_the_version_before_is_read() -> None:
    before = Protection().model_dump_json(exclude={"settled", "deployed", "recorded", "decisions"})
    assert Protection.from_bytes(before.encode()) == Protection()
