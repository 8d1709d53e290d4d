"""Alerts outside a run whose cause may be another than the version: nothing goes back, and people are called."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from contracts.monitor import CriticalAlert
from contracts.policy import Recovery as RecoverySection
from contracts.policy import ServicePolicy
from contracts.recovery import RollbackStarted
from services.recovery.domain.outside.remembered import Firing
from services.recovery.domain.outside.signs import ServiceTask
from services.recovery.domain.protection import Protection, key_of
from services.recovery.domain.readiness import Need
from tests.services.recovery.harness import ARN, TARGET, Recovery
from tests.services.recovery.test_recovery_outside import (
    MINUTES,
    alert,
    decides,
    deploys,
    hears,
    succeeded,
    told,
    waits,
)

KINDS: dict[str, dict[str, Any]] = {
    "behind a load balancer": {},
    "worker": {"loadBalancers": []},
    "daemon": {"schedulingStrategy": "DAEMON"},
    "two target groups": {"loadBalancers": [{"targetGroupArn": f"arn:{name}"} for name in ("inside", "outside")]},
    "on Spot": {"capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]},
    "stops before it starts": {"deploymentConfiguration": {"minimumHealthyPercent": 0, "maximumPercent": 100}},
}
NEIGHBOUR = TARGET.model_copy(update={"service": "Payments"})
UNAVAILABLE: dict[str, Any] = {"rule": "service_unavailable", "comparison": "<", "threshold": 1, "value": 0}


@pytest.fixture(params=KINDS)
async def recovery(request: pytest.FixtureRequest) -> Recovery:
    """A person has deployed another version of a proven service twenty minutes ago."""
    made = Recovery()
    made.ecs.settings |= KINDS[request.param]
    await succeeded(made)
    made.clock.time += 90 * MINUTES
    deploys(made)
    made.clock.time += 20 * MINUTES
    return made


def ends(recovery: Recovery, minutes: float = 1, zones: str = "abc", *, of: str = "", **how: Any) -> None:
    """Let a task in each of these zones have ended so many minutes ago; ``of``: another deployment."""
    at, deployment = recovery.clock.now() - minutes * MINUTES, of or recovery.ecs.history[-1]["id"]
    recovery.ecs.ended += [ServiceTask(deployment, f"us-west-2{zone}", at, **how) for zone in zones]


def says(recovery: Recovery, message: str, minutes: float = 1) -> None:
    """Let ECS have written an event so many minutes ago."""
    recovery.ecs.settings["events"] = [
        {"message": message, "createdAt": recovery.now - timedelta(minutes=minutes)},
        {"message": "(service BackendService) has reached a steady state.", "createdAt": recovery.now},
    ]


async def is_left(recovery: Recovery, reason: str, because: str) -> None:
    assert told(recovery) == [("people-called", reason)]
    assert because in recovery.decided[-1].sentence
    assert recovery.published(RollbackStarted) == []
    assert len(recovery.ecs.updates) == 1, "the run's own change"


# the way back is lost


@pytest.mark.parametrize("what", ["the image backend:1", "the secret jwt", "the role ecsTaskRole", "the subnet a"])
async def test_some_errors_are_not_exchanged_for_a_version_that_cannot_start(recovery: Recovery, what: str) -> None:
    recovery.needs.by_version[f"{ARN}:2"] = (Need("the role web", there=True), Need(what, there=False))
    await hears(recovery, alert(recovery))
    await is_left(recovery, "no-way-back", f"could not start again: {what} is not there any more")


async def test_what_aws_does_not_let_be_seen_is_no_obstacle(recovery: Recovery) -> None:
    recovery.needs.by_version[f"{ARN}:2"] = (Need("the role web", there=None, why="denied"),)
    await hears(recovery, alert(recovery))
    assert told(recovery) == [("acted", "alert")]


# AWS has no room


@pytest.mark.parametrize(
    "message",
    [
        "(service BackendService) was unable to place a task. Reason: Capacity is unavailable at this time.",
        "(service BackendService) was unable to place a task because no container instance met all requirements.",
        "You've reached the limit on the number of vCPUs you can run concurrently.",
        "The specified subnet does not have enough free addresses to satisfy the request.",
    ],
)
async def test_without_room_for_tasks_nothing_goes_back(recovery: Recovery, message: str) -> None:
    says(recovery, message)
    ends(recovery, failed=True)
    await hears(recovery, alert(recovery, **UNAVAILABLE))
    await is_left(recovery, "no-room", "what was live before would have no room either")


async def test_what_ecs_said_twenty_minutes_ago_is_over(recovery: Recovery) -> None:
    says(recovery, "was unable to place a task. Reason: Capacity is unavailable.", minutes=20)
    ends(recovery, failed=True)
    await hears(recovery, alert(recovery, **UNAVAILABLE))
    assert told(recovery) == [("acted", "alert")]


async def test_tasks_that_aws_has_taken_back_are_no_fault(recovery: Recovery) -> None:
    ends(recovery, taken_back=True)
    await hears(recovery, alert(recovery, **UNAVAILABLE))
    await is_left(recovery, "no-room", "AWS has taken 3 tasks back")


# somebody stops tasks, or wants fewer


async def test_whoever_stops_tasks_is_at_work(recovery: Recovery) -> None:
    ends(recovery, stopped_by_somebody=True)
    await hears(recovery, alert(recovery, **UNAVAILABLE))
    await is_left(recovery, "under-way", "somebody has stopped 3 tasks")


@pytest.mark.parametrize("told_of", [{}, UNAVAILABLE])
async def test_tasks_that_are_missing_for_no_reason_of_their_own_prove_nothing(
    recovery: Recovery, told_of: dict[str, Any]
) -> None:
    """An autoscaler has scaled in, a zone is gone, or the tasks of before have failed."""
    recovery.ecs.settings["runningCount"] = 1
    ends(recovery)
    ends(recovery, of="ecs-svc/1", failed=True)
    ends(recovery, minutes=90, failed=True)
    await hears(recovery, alert(recovery, **told_of))
    await is_left(recovery, "no-evidence", "1 of 3 tasks run, and none of the version has ended by itself")


async def test_the_end_of_one_task_does_not_explain_that_three_are_missing(recovery: Recovery) -> None:
    recovery.ecs.settings["runningCount"] = 0
    ends(recovery, zones="a", failed=True)
    await hears(recovery, alert(recovery, **UNAVAILABLE))
    await is_left(recovery, "no-evidence", "0 of 3 tasks run, and 1 of the version has ended by itself")


async def test_tasks_of_the_version_that_end_by_themselves_prove_it(recovery: Recovery) -> None:
    """A worker that crashes, a leak, a health check that fails."""
    recovery.ecs.settings["runningCount"] = 0
    recovery.ecs.zones = []
    ends(recovery, failed=True)
    await hears(recovery, alert(recovery, **UNAVAILABLE))
    assert told(recovery) == [("acted", "alert")]
    assert recovery.ecs.live == f"{ARN}:2"


SILENT = "(service api) (port 8000) is unhealthy in (target-group arn:tg) due to (reason Request timed out)."


@pytest.mark.parametrize("told_of", [{}, UNAVAILABLE])
async def test_tasks_that_no_load_balancer_reaches_may_be_behind_a_wrong_rule(
    recovery: Recovery, told_of: dict[str, Any]
) -> None:
    """A person has changed a security group."""
    says(recovery, SILENT)
    ends(recovery, failed=True)
    await hears(recovery, alert(recovery, **told_of))
    await is_left(recovery, "no-evidence", "no task answers a load balancer, which may be the network's doing")


@pytest.mark.parametrize(
    ("message", "exited"),
    [(SILENT, True), (SILENT.replace("Request timed out", "Health checks failed with these codes: [500]"), False)],
    ids=["some have exited", "answered by an error"],
)
async def test_tasks_that_exit_or_answer_with_errors_are_reached(
    recovery: Recovery, message: str, exited: bool
) -> None:
    says(recovery, message)
    ends(recovery, failed=True, exited=exited)
    await hears(recovery, alert(recovery, **UNAVAILABLE))
    assert told(recovery) == [("acted", "alert")]


async def test_a_zone_that_is_lost_is_no_version(recovery: Recovery) -> None:
    recovery.ecs.zones = ["us-west-2b", "us-west-2c"]
    recovery.ecs.settings["runningCount"] = 2
    ends(recovery, zones="aaa", failed=True)
    await hears(recovery, alert(recovery))
    await is_left(recovery, "common-cause", "all 3 tasks that failed were in us-west-2a")


# others are in trouble as well


def also_fires(recovery: Recovery, began: timedelta = timedelta(), **place: str) -> None:
    other = NEIGHBOUR.model_copy(update=place)
    recovery.policies.reload(ServicePolicy(target=other))
    firing = Firing(rule="error_rate", began_at=recovery.now + began)
    recovery.store.states[key_of(other)] = Protection(firing={"theirs": firing}).to_bytes()


@pytest.mark.parametrize("minutes", [-14, -5, 0])
async def test_two_services_in_trouble_at_once_have_one_cause(recovery: Recovery, minutes: int) -> None:
    """A database that nobody named, an API that both call, a region: the neighbour's alert says it."""
    also_fires(recovery, timedelta(minutes=minutes))
    await hears(recovery, alert(recovery))
    await is_left(recovery, "common-cause", "Payments fell into trouble at about the same time")


async def test_the_neighbours_alert_may_come_a_minute_later(recovery: Recovery) -> None:
    await recovery.send(alert(recovery), "alert-1:raised")
    await recovery.work()
    recovery.clock.time += MINUTES
    also_fires(recovery)
    await waits(recovery, len(recovery.decided))
    await is_left(recovery, "common-cause", "Payments")


@pytest.mark.parametrize(
    ("minutes", "place"), [(-16, {}), (0, {"region": "eu-central-1"})], ids=["long ago", "in another region"]
)
async def test_another_trouble_of_others_is_theirs(recovery: Recovery, minutes: int, place: dict[str, str]) -> None:
    also_fires(recovery, timedelta(minutes=minutes), **place)
    await hears(recovery, alert(recovery))
    assert told(recovery) == [("acted", "alert")]


# the monitor doubts


async def test_where_nobody_has_looked_for_other_causes_people_decide(recovery: Recovery) -> None:
    """The alert came while a run was watched, or from the version before of the monitor."""
    await hears(recovery, alert(recovery, doubt=None))
    await is_left(recovery, "no-evidence", "has not looked for what else may be the cause")


async def test_with_a_doubt_people_decide(recovery: Recovery) -> None:
    await hears(recovery, alert(recovery, doubt="it was so at this time yesterday"))
    await is_left(recovery, "doubted", "it was so at this time yesterday")


# the pause before it acts


async def _is_over(made: Recovery) -> None:
    await made.send(alert(made, state="resolved"), "over")


async def _deploys_again(made: Recovery) -> None:
    made.ecs.deploy_elsewhere(f"{ARN}:2")


@pytest.mark.parametrize(
    ("happens", "said"),
    [
        (_is_over, []),
        (_deploys_again, [("declined", "moved")]),
    ],
    ids=["the alert is over", "somebody else has deployed"],
)
async def test_what_happens_in_the_pause_counts(
    recovery: Recovery, happens: Callable[[Recovery], Any], said: list[tuple[str, str]]
) -> None:
    """Another installation, or a pipeline that watches its own deployment, goes back by itself."""
    await recovery.send(alert(recovery), "alert-1:raised")
    await recovery.work()
    recovery.clock.time += 2 * MINUTES
    await happens(recovery)
    await waits(recovery, len(recovery.decided))
    assert told(recovery) == said
    assert recovery.published(RollbackStarted) == []


@pytest.mark.parametrize("ours", [True, False])
async def test_an_alert_has_to_last_for_five_minutes_whoever_has_deployed(ours: bool) -> None:
    """A database that fails over is there again within it."""
    made = Recovery()
    await succeeded(made)
    made.clock.time += 30 * MINUTES
    if not ours:
        made.clock.time += 60 * MINUTES
        deploys(made)
        made.clock.time += 20 * MINUTES
    began = made.clock.time
    await decides(made, alert(made))
    assert told(made) == [("acted", "alert")]
    assert made.clock.time - began == 5 * MINUTES


@pytest.mark.parametrize(("lasted", "pause"), [(1, 4), (2, 3), (4, 2)])
async def test_the_times_of_trouble_that_comes_again_and_again_add_up(
    recovery: Recovery, lasted: int, pause: int
) -> None:
    """Tasks that end and start again break a rule for some minutes at a time; a dependency may be away twice."""
    await recovery.send(alert(recovery), "alert-1:raised")
    await recovery.work()
    recovery.clock.time += lasted * MINUTES
    await recovery.send(alert(recovery, state="resolved"), "alert-1:resolved")
    recovery.clock.time += 4 * MINUTES
    began = recovery.clock.time
    await decides(recovery, alert(recovery, alert_id="alert-2"), "alert-2:raised")
    assert told(recovery) == [("acted", "alert")]
    assert recovery.clock.time - began == pause * MINUTES


# whether it has helped


@pytest.mark.parametrize("over", [True, False])
async def test_people_are_called_where_going_back_has_not_helped(recovery: Recovery, over: bool) -> None:
    raised = alert(recovery)
    await hears(recovery, raised)
    assert told(recovery) == [("acted", "alert")]
    recovery.clock.time += 3 * MINUTES
    again = (
        {"state": "resolved"} if over else {"deployment_id": recovery.ecs.history[-1]["id"], "attribution": "neither"}
    )
    await recovery.send(CriticalAlert.model_validate(raised.model_dump() | again), "alert-1:again")
    recovery.clock.time += 12 * MINUTES
    await recovery.fire()
    mended = [decided for decided in told(recovery) if decided == ("people-called", "not-mended")]
    assert mended == ([] if over else [("people-called", "not-mended")])
    if not over:
        assert "Going back has not helped: error_rate is broken 15 minutes later, too." in recovery.decided[-1].sentence


async def test_the_trouble_of_a_later_deployment_says_nothing_of_what_was_mended() -> None:
    made = Recovery()
    await succeeded(made)
    made.clock.time += 30 * MINUTES
    made.policies.reload(ServicePolicy(target=TARGET, recovery=RecoverySection(rollback_window=60)))
    await hears(made, alert(made))
    await made.send(alert(made, state="resolved"), "alert-1:resolved")
    deploys(made)
    made.clock.time += 15 * MINUTES
    await made.send(alert(made, alert_id="alert-2"), "alert-2:raised")
    await made.fire()
    assert ("people-called", "not-mended") not in told(made)
