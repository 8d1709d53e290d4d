"""An alert outside a run goes back to what was live directly before, undoes that alone, and fights nobody."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from contracts.recovery import Disarm, RollbackFinished, RollbackStarted, TargetArmed, TargetDisarmed
from services._aws.errors import AwsError
from services._chassis.clock import moment
from services.recovery.domain.protection import key_of
from tests.services.recovery.harness import ARN, GOOD, OTHER, REPOSITORY, TARGET, Recovery
from tests.services.recovery.test_recovery_outside import MINUTES, alert, decides, deploys, hears, succeeded, told

FOURTH = f"{REPOSITORY}@sha256:{'d' * 64}"


@pytest.fixture
async def recovery() -> Recovery:
    """A run has succeeded half an hour ago: backend:2 is live and proven."""
    made = Recovery()
    await succeeded(made)
    made.clock.time += 90 * MINUTES
    return made


async def turns_bad(recovery: Recovery, minutes: float = 20, **values: Any) -> None:
    """Let an alert come about what is live, some minutes later."""
    recovery.clock.time += minutes * MINUTES
    told_now = alert(recovery, **values)
    await hears(recovery, told_now, f"{told_now.alert_id}:raised")


def forget_snapshots(recovery: Recovery, version: str) -> None:
    """Lose the snapshots of a version, as after thirty days."""
    kept = tuple(entry for entry in recovery.protection.snapshots if entry.task_definition != version)
    recovery.store.states[key_of(TARGET)] = recovery.protection.replace(snapshots=kept).to_bytes()


# what was live directly before


async def test_a_version_that_no_snapshot_knows_is_not_passed_over(recovery: Recovery) -> None:
    """A person's version was live for two hours; whether its predecessor still fits the database nobody knows."""
    deploys(recovery, FOURTH)
    recovery.clock.time += 120 * MINUTES
    deploys(recovery)
    await turns_bad(recovery)
    assert told(recovery) == [("people-called", "no-way-back")]
    assert "there is no snapshot of backend:3, which was live directly before it" in recovery.decided[-1].sentence


async def test_a_version_with_a_snapshot_that_nothing_has_proven_is_not_gone_back_to(recovery: Recovery) -> None:
    deploys(recovery, FOURTH)
    recovery.clock.time += 120 * MINUTES
    await recovery.snapshot("asked", "before-change")
    deploys(recovery)
    await turns_bad(recovery)
    assert told(recovery) == [("people-called", "no-way-back")]
    assert "which was live directly before it, is not proven" in recovery.decided[-1].sentence


async def test_the_proven_version_is_known_under_another_name_as_well(recovery: Recovery) -> None:
    """Somebody has registered the live version anew, with the same content, before the bad one came."""
    deploys(recovery, OTHER)
    recovery.clock.time += 60 * MINUTES
    deploys(recovery)
    await turns_bad(recovery)
    assert told(recovery) == [("acted", "alert")]
    assert recovery.ecs.live == f"{ARN}:2", "it runs the same"


async def test_two_versions_that_were_live_leave_no_way_back(recovery: Recovery) -> None:
    """A person deploys into the rollout of another version."""
    deploys(recovery, FOURTH)
    rolling = recovery.ecs.history[-1]["targetServiceRevision"]
    recovery.clock.time += 10
    deploys(recovery)
    recovery.ecs.history[-1]["sourceServiceRevisions"].append({"arn": "revision:2"})
    assert rolling in recovery.ecs.history[-1]["sourceServiceRevisions"]
    await turns_bad(recovery)
    assert told(recovery) == [("people-called", "no-way-back")]
    assert "backend:3 and backend:2 were live when it began" in recovery.decided[-1].sentence


async def test_the_first_deployment_of_all_has_nothing_before_it(recovery: Recovery) -> None:
    deploys(recovery)
    recovery.ecs.history[-1]["sourceServiceRevisions"] = []
    await turns_bad(recovery)
    assert told(recovery) == [("people-called", "no-way-back")]


@pytest.mark.parametrize("left_out", ["sourceServiceRevisions", "targetServiceRevision"])
async def test_what_ecs_leaves_out_is_never_guessed(recovery: Recovery, left_out: str) -> None:
    deploys(recovery)
    del recovery.ecs.history[-1][left_out]
    await turns_bad(recovery)
    assert told(recovery) == [("declined", "unseen")]
    assert recovery.published(RollbackStarted) == []


async def test_what_was_taken_back_is_no_way_back(recovery: Recovery) -> None:
    """R9: somebody brings a version that a rollback took back, and deploys another bad one upon it."""
    deploys(recovery)
    bad = recovery.ecs.live
    await turns_bad(recovery)
    await recovery.send(alert(recovery, state="resolved"), "alert-1:resolved")
    recovery.clock.time += 90 * MINUTES
    recovery.ecs.deploy_elsewhere(bad)
    recovery.clock.time += 90 * MINUTES
    deploys(recovery, FOURTH)
    await turns_bad(recovery, alert_id="alert-2")
    assert told(recovery) == [("acted", "alert"), ("people-called", "no-way-back")]


# a person who goes back


async def test_a_step_back_to_what_no_snapshot_knows_any_more_is_not_undone(recovery: Recovery) -> None:
    deploys(recovery, FOURTH)
    recovery.clock.time += 120 * MINUTES
    forget_snapshots(recovery, f"{ARN}:1")
    recovery.ecs.deploy_elsewhere(f"{ARN}:1")
    await turns_bad(recovery)
    assert told(recovery) == [("people-called", "was-live-before")]
    assert "what is live is backend:1 again, which was deployed before" in recovery.decided[-1].sentence


async def test_a_step_back_to_what_ecs_has_forgotten_is_not_undone(recovery: Recovery) -> None:
    """It was registered before the version that it replaced began: nobody makes a new version like that."""
    forget_snapshots(recovery, f"{ARN}:1")
    recovery.ecs.deploy_elsewhere(f"{ARN}:1")
    recovery.ecs.history[:] = recovery.ecs.history[-2:]
    del recovery.ecs.rolled_out["revision:1"]
    await turns_bad(recovery)
    assert told(recovery) == [("people-called", "was-live-before")]
    assert "was registered before the version that it replaced" in recovery.decided[-1].sentence


async def test_a_step_back_under_a_new_name_is_not_undone(recovery: Recovery) -> None:
    """Terraform registers the content of two versions ago anew."""
    forget_snapshots(recovery, f"{ARN}:1")
    deploys(recovery, GOOD)
    await turns_bad(recovery)
    assert told(recovery) == [("people-called", "was-live-before")]


# what the deployment has changed, and nothing else


def network(subnet: str) -> dict[str, Any]:
    return {"awsvpcConfiguration": {"subnets": [subnet], "securityGroups": ["sg-1"]}}


def update(recovery: Recovery) -> dict[str, Any]:
    [*_, (_, parameters)] = [change for change in recovery.ecs.changing if change[0] == "update"]
    return dict(parameters)


async def test_settings_that_the_deployment_has_changed_go_back_with_it() -> None:
    made = Recovery()
    made.ecs.settings["networkConfiguration"] = network("subnet-1")
    await succeeded(made)
    made.clock.time += 90 * MINUTES
    made.ecs.settings["networkConfiguration"] = network("subnet-2")
    deploys(made)
    await turns_bad(made)
    assert told(made) == [("acted", "alert")]
    assert update(made) == {"taskDefinition": f"{ARN}:2", "networkConfiguration": network("subnet-1")}


async def test_settings_that_somebody_has_changed_since_the_snapshot_stay() -> None:
    """The service was moved to other subnets and given more time, and then the bad version came."""
    made = Recovery()
    made.ecs.settings["networkConfiguration"] = network("subnet-1")
    await succeeded(made)
    made.clock.time += 90 * MINUTES
    made.ecs.settings |= {"networkConfiguration": network("subnet-2"), "healthCheckGracePeriodSeconds": 120}
    made.ecs.deploy_elsewhere(made.ecs.live)
    made.clock.time += 60 * MINUTES
    deploys(made)
    made.ecs.settings["deploymentConfiguration"] |= {"minimumHealthyPercent": 50}
    await turns_bad(made)
    assert told(made) == [("acted", "alert")]
    assert update(made) == {"taskDefinition": f"{ARN}:2"}
    assert made.ecs.settings["deploymentConfiguration"]["minimumHealthyPercent"] == 50


async def test_a_deployment_of_settings_alone_calls_people(recovery: Recovery) -> None:
    recovery.ecs.settings["networkConfiguration"] = network("subnet-2")
    recovery.ecs.deploy_elsewhere(recovery.ecs.live)
    await turns_bad(recovery)
    assert told(recovery) == [("people-called", "was-live-before")]


async def test_what_ecs_does_not_tell_at_the_call_is_asked_again(recovery: Recovery) -> None:
    deploys(recovery)
    recovery.clock.time += 20 * MINUTES
    await decides(recovery, alert(recovery))
    recovery.ecs.refusing["service_revisions"] = AwsError("ECS throttled DescribeServiceRevisions", temporary=True)
    recovery.clock.while_asleep.append(recovery.ecs.refusing.clear)
    await recovery.work()
    assert [event.result for event in recovery.published(RollbackFinished)] == ["restored"]


# a person at work on the service


async def test_who_deploys_again_in_the_middle_of_an_incident_is_called(recovery: Recovery) -> None:
    """The window of the alert began by the deployment before, of the same version."""
    deploys(recovery)
    recovery.clock.time += 20 * MINUTES
    recovery.ecs.deploy_elsewhere(recovery.ecs.live)
    await turns_bad(recovery, 1)
    assert told(recovery) == [("people-called", "was-live-before")]


async def test_who_deploys_again_while_recovery_waits_is_called(recovery: Recovery) -> None:
    deploys(recovery)
    recovery.clock.time += 20 * MINUTES
    recovery.ecs.refusing["service"] = AwsError("ECS throttled DescribeServices", temporary=True)
    await hears(recovery, alert(recovery))
    recovery.ecs.refusing.clear()
    recovery.ecs.deploy_elsewhere(recovery.ecs.live)
    recovery.clock.time += 60
    await recovery.fire()
    await recovery.work()
    assert told(recovery) == [("declined", "unseen"), ("people-called", "was-live-before")]


async def test_who_deploys_again_between_decision_and_call_is_left_alone(recovery: Recovery) -> None:
    deploys(recovery)
    recovery.clock.time += 20 * MINUTES
    await decides(recovery, alert(recovery))
    recovery.ecs.deploy_elsewhere(recovery.ecs.live)
    again = recovery.ecs.history[-1]["id"]
    await recovery.work()
    assert [event.result for event in recovery.published(RollbackFinished)] == ["superseded"]
    assert recovery.ecs.history[-1]["id"] == again


async def test_a_hotfix_into_another_alert_is_not_taken_back(recovery: Recovery) -> None:
    """The proven version is in trouble, a person deploys a fix, and the fix breaks another rule."""
    await turns_bad(recovery, 120, alert_id="of the version before", rule="response_time")
    recovery.clock.time += 5 * MINUTES
    deploys(recovery)
    recovery.clock.time += 10 * MINUTES
    await recovery.send(alert(recovery, alert_id="of the version before", state="resolved"), "resolved")
    await turns_bad(recovery, 10, alert_id="alert-2")
    assert told(recovery)[-1] == ("people-called", "troubled-before")


async def test_the_trouble_of_what_was_taken_back_is_nobody_elses(recovery: Recovery) -> None:
    deploys(recovery)
    await turns_bad(recovery)
    await recovery.send(alert(recovery, state="resolved"), "alert-1:resolved")
    recovery.clock.time += 65 * MINUTES
    deploys(recovery, FOURTH)
    await turns_bad(recovery, 10, alert_id="alert-2")
    assert told(recovery) == [("acted", "alert"), ("acted", "alert")]
    assert recovery.ecs.live == f"{ARN}:2"


# runs that were to roll nothing back by themselves


async def lost(recovery: Recovery) -> None:
    """Let a run without automatic recovery deploy, of whose call no answer comes, and end."""
    await recovery.arm("run-2", auto=False)
    await recovery.change("run-2", FOURTH, work=False)
    deploys(recovery, FOURTH)
    recovery.clock.time += 5 * MINUTES
    await recovery.send(Disarm(target=TARGET, run_id="run-2"), "run-2:disarm")


async def test_a_deployment_whose_answer_was_lost_is_left_to_whoever_asked_for_it(recovery: Recovery) -> None:
    await lost(recovery)
    await turns_bad(recovery)
    assert told(recovery) == [("people-called", "not-asked-for")]


async def test_what_a_person_deploys_after_that_run_is_rolled_back(recovery: Recovery) -> None:
    """The run's own deployment has a snapshot, and a rollback by hand has proven it."""
    await lost(recovery)
    await recovery.snapshot("run-2", "after-change")
    recovery.clock.time += 90 * MINUTES
    deploys(recovery)
    await turns_bad(recovery)
    assert told(recovery) == [("acted", "alert")]


@pytest.mark.parametrize("told_before", [False, None], ids=["told", "the version before did not tell it"])
async def test_a_redis_from_before_the_run_knows_again_that_it_was_to_roll_nothing_back(
    recovery: Recovery, told_before: bool | None
) -> None:
    state, began, known = recovery.store.states[key_of(TARGET)], recovery.now, len(recovery.store.emitted)
    await lost(recovery)
    ended, of_run = recovery.now, list(recovery.store.emitted)[known:]
    recovery.clock.time += 20 * MINUTES
    recovery.store.states[key_of(TARGET)] = state
    recovery.store.seen.clear()
    for emission in of_run:
        match emission.event:
            case TargetArmed() as armed:
                assert armed.auto_recovery is False
                event = armed.model_copy(update={"auto_recovery": told_before})
                await recovery.send(event, emission.id, again=True, at=began)
            case TargetDisarmed() as disarmed:
                await recovery.send(disarmed, emission.id, again=True, at=ended)
    await turns_bad(recovery)
    assert told(recovery) == [("people-called", "not-asked-for")]


# services that are deployed in other ways


@pytest.mark.parametrize("controller", ["CODE_DEPLOY", "EXTERNAL"])
async def test_a_service_that_others_deploy_is_left_to_them(recovery: Recovery, controller: str) -> None:
    accused = deploys(recovery)
    recovery.ecs.settings |= {"deploymentController": {"type": controller}, "deployments": []}
    await turns_bad(recovery, deployment_id=accused)
    assert told(recovery) == [("people-called", "unsupported")]
    assert controller in recovery.decided[-1].sentence


@pytest.mark.parametrize("strategy", ["BLUE_GREEN", "LINEAR", "CANARY"])
async def test_a_strategy_that_shifts_traffic_is_left_to_people(recovery: Recovery, strategy: str) -> None:
    deploys(recovery)
    recovery.ecs.settings["deploymentConfiguration"]["strategy"] = strategy
    await turns_bad(recovery)
    assert told(recovery) == [("people-called", "unsupported")]


def daemon(recovery: Recovery) -> None:
    recovery.ecs.settings["schedulingStrategy"] = "DAEMON"


def worker(recovery: Recovery) -> None:
    recovery.ecs.settings["loadBalancers"] = []


def two_groups(recovery: Recovery) -> None:
    groups = ["arn:inside", "arn:outside"]
    recovery.ecs.settings["loadBalancers"] = [
        {"targetGroupArn": group, "containerName": "backend", "containerPort": 8000} for group in groups
    ]


def stops_first(recovery: Recovery) -> None:
    recovery.ecs.settings["deploymentConfiguration"] |= {"minimumHealthyPercent": 0, "maximumPercent": 100}


def slow(recovery: Recovery) -> None:
    recovery.ecs.batches, recovery.ecs.drain_seconds = 3, 300.0


def another_clock(recovery: Recovery) -> None:
    recovery.ecs.clock_ahead = -60.0


@pytest.mark.parametrize("kind", [daemon, worker, two_groups, stops_first, slow, another_clock])
async def test_each_kind_of_service_goes_back_by_one_call_to_what_was_live_before(
    kind: Callable[[Recovery], None],
) -> None:
    made = Recovery()
    kind(made)
    await succeeded(made)
    made.clock.time += 60 * MINUTES
    deploys(made)
    await turns_bad(made, 20)
    assert told(made) == [("acted", "alert")]
    assert [event.result for event in made.published(RollbackFinished)] == ["restored"]
    assert update(made) == {"taskDefinition": f"{ARN}:2"}
    assert made.ecs.updates == [f"{ARN}:2"] * 2, "the run's change, and one rollback"


async def test_an_alert_that_is_over_while_recovery_waits_for_ecs_changes_nothing(recovery: Recovery) -> None:
    deploys(recovery)
    recovery.ecs.history[-1]["status"] = "ROLLBACK_IN_PROGRESS"
    await turns_bad(recovery)
    await recovery.send(alert(recovery, state="resolved"), "alert-1:resolved")
    recovery.ecs.history[-1] |= {"status": "SUCCESSFUL", "finishedAt": moment(recovery.clock.now())}
    recovery.clock.time += 60
    await recovery.fire()
    await recovery.work()
    assert told(recovery) == [("declined", "ecs")]
    assert timedelta(0) == recovery.now - moment(recovery.clock.now())
