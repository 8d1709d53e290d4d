"""Who has changed a service, by what is known: every mover by its marks, and never a guess."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services._chassis.clock import moment
from services.recovery.adapters.trail import call_of
from services.recovery.domain.moves.facts import Activity, Deployed, Facts, Noticed, OurAct, Ours
from services.recovery.domain.moves.find import find_moves
from services.recovery.domain.moves.mover import By, Sure, mover_of
from services.recovery.domain.moves.ours import ours_of
from services.recovery.domain.moves.remembered import Moves, Seen
from services.recovery.domain.moves.stack import of_stack
from services.recovery.domain.moves.trail import Trail, TrailCall
from services.recovery.domain.protection import Protection
from tests.services.recovery.harness import SECRET, START, TARGET

NOW = START.timestamp()
OLD, NEW = (f"arn:aws:ecs:us-west-2:123456789012:task-definition/backend:{number}" for number in (1, 2))
ROLE = "arn:aws:sts::123456789012:assumed-role/{}"
USER = "arn:aws:iam::123456789012:user/anna"
BOTO = "Boto3/1.42.0 md/Botocore#1.42.0"


def call(**what: Any) -> TrailCall:
    usual = TrailCall("event-1", NOW - 3600, "UpdateService", TARGET.cluster, TARGET.service, USER, "aws-cli/2.31.0")
    return replace(usual, user=what.get("principal", USER) == USER, **what)


def facts(**what: Any) -> Facts:
    return Facts(**what)


def trail(*calls: TrailCall, **what: Any) -> Trail:
    return Trail(calls, **what)


@pytest.mark.parametrize(
    ("made", "by", "sure", "words"),
    [
        (call(), By.PERSON, Sure.CERTAIN, "user/anna with the AWS CLI"),
        (call(agent="console.amazonaws.com"), By.PERSON, Sure.CERTAIN, "in the console"),
        (call(agent="AWS Internal", in_console=True), By.PERSON, Sure.CERTAIN, "in the console"),
        (call(agent=BOTO), By.PERSON, Sure.LIKELY, "with a program"),
        (call(principal=ROLE.format("AWSReservedSSO_Ops_1/anna@x.org")), By.PERSON, Sure.CERTAIN, "anna@x.org"),
        (call(principal=ROLE.format("ci/Terraform"), agent=BOTO), By.TOOL, Sure.LIKELY, "Terraform as"),
        (call(principal=ROLE.format("x/y"), agent="… Terraform/1.9.8 …"), By.TOOL, Sure.CERTAIN, "Terraform as"),
        (call(principal=ROLE.format("x/y"), agent="[Pulumi/3.1]"), By.TOOL, Sure.CERTAIN, "Pulumi"),
        (call(principal=ROLE.format("deploy/GitHubActions"), agent=BOTO), By.TOOL, Sure.LIKELY, "GitHub Actions"),
        (call(principal=ROLE.format("jenkins-x/i-1")), By.TOOL, Sure.LIKELY, "Jenkins"),
        (call(principal=ROLE.format("batch/job")), By.TOOL, Sure.LIKELY, "the AWS CLI as"),
        (call(principal=ROLE.format("batch/job"), agent=BOTO), By.TOOL, Sure.LIKELY, "a program as"),
        (
            call(principal=ROLE.format("s/AWSCloudFormation"), agent="cloudformation.amazonaws.com"),
            By.TOOL,
            Sure.CERTAIN,
            "CloudFormation as",
        ),
        (
            call(principal=ROLE.format("cdk-hnb659fds-cfn-exec-role/AWSCloudFormation"),
                 invoked_by="cloudformation.amazonaws.com"),
            By.TOOL,
            Sure.CERTAIN,
            "CloudFormation (of the CDK)",
        ),
        (call(principal=ROLE.format("c/d"), agent="codedeploy.amazonaws.com"), By.TOOL, Sure.CERTAIN, "CodeDeploy"),
        (
            call(principal=ROLE.format("AWSServiceRoleForApplicationAutoScaling_ECSService/AutoScaling-Update")),
            By.AUTOSCALER,
            Sure.CERTAIN,
            "Application Auto Scaling",
        ),
        (
            call(principal=ROLE.format("s/x"), agent="ecs.application-autoscaling.amazonaws.com"),
            By.AUTOSCALER,
            Sure.CERTAIN,
            "Application Auto Scaling",
        ),
        (call(agent=f"{BOTO} surefoot/recovery/rollback/rollback:1/3"), By.OURS, Sure.CERTAIN, "the rollback"),
        (call(agent=f"{BOTO} surefoot/recovery/rollback/rollback:2/3"), By.ANOTHER_SUREFOOT, Sure.LIKELY, "rollback:2"),
        (call(principal="", agent=""), By.TOOL, Sure.LIKELY, "somebody"),
    ],
)  # fmt: skip
def test_whoever_calls_is_named_by_principal_and_agent(made: TrailCall, by: By, sure: Sure, words: str) -> None:
    found = mover_of(made, {"rollback:1": "the rollback rollback:1"})
    assert (found.by, found.sure) == (by, sure)
    assert words in found.who


def deployed(**what: Any) -> Deployed:
    return replace(Deployed(NOW - 3600, NEW, source=OLD, deployment_id="ecs-svc/2", arn="deployment/2"), **what)


def test_a_deployment_belongs_to_the_call_that_names_it_and_not_to_a_nearer_one() -> None:
    ours = call(deployment_id="ecs-svc/2", at=NOW - 3630, agent="console.amazonaws.com")
    nearer = call(event_id="event-2", task_definition=NEW, at=NOW - 3600, deployment_id="ecs-svc/9")
    [found] = find_moves(facts(deployed=(deployed(),), trail=trail(ours, nearer)), 0, NOW)
    assert (found.before, found.after, found.mover.by) == ("backend:1", "backend:2", By.PERSON)
    assert "in the console" in found.sentence


@pytest.mark.parametrize("task_definition", ["backend", "backend:2", NEW])
def test_without_the_answer_the_version_and_the_time_tell_the_call(task_definition: str) -> None:
    [found] = find_moves(facts(deployed=(deployed(),), trail=trail(call(task_definition=task_definition))), 0, NOW)
    assert found.mover.by is By.PERSON
    for other in ("backend:3", "other"):
        [found] = find_moves(facts(deployed=(deployed(),), trail=trail(call(task_definition=other))), 0, NOW)
        assert found.mover.by is By.UNKNOWN


@pytest.mark.parametrize(
    ("ago", "known", "sure"),
    [
        (300, Trail(), Sure.NOT_YET),
        (3600, Trail(), Sure.NOT_KNOWN),
        (3600, Trail(unread="throttled", since=NOW), Sure.NOT_YET),
        (3600, Trail(unread="more calls than are read", since=NOW - 600), Sure.NOT_YET),
        (300, Trail(unread="throttled", since=NOW, denied=True), Sure.NOT_ALLOWED),
    ],
)
def test_nobody_is_named_where_nothing_tells_it(ago: float, known: Trail, sure: Sure) -> None:
    [found] = find_moves(facts(deployed=(deployed(at=NOW - ago),), trail=known), 0, NOW)
    assert (found.mover.by, found.mover.sure) == (By.UNKNOWN, sure)
    assert "Somebody" in found.sentence


def test_our_own_record_tells_it_where_cloudtrail_does_not() -> None:
    known = Ours(deployments={"ecs-svc/2": "the run 1"})
    [found] = find_moves(facts(deployed=(deployed(),), ours=known, trail=Trail(denied=True)), 0, NOW)
    assert (found.mover.by, found.mover.who, found.mover.sure) == (By.OURS, "the run 1", Sure.CERTAIN)


def test_ecs_that_goes_back_is_named_and_whoever_stops_a_deployment_is_too() -> None:
    failed = deployed(back_at=NOW - 3000, back_to=OLD, why_back="Service deployment failed: circuit breaker.")
    back, _ = find_moves(facts(deployed=(failed,)), 0, NOW)
    assert (back.mover.by, back.before, back.after) == (By.ECS, "backend:2", "backend:1")
    assert "ECS's circuit breaker" in back.sentence
    by_alarm = replace(failed, why_back="rolled back because of alarm")
    assert "alarms" in find_moves(facts(deployed=(by_alarm,)), 0, NOW)[0].sentence
    stops = call(operation="StopServiceDeployment", at=NOW - 3010)
    assert find_moves(facts(deployed=(failed,), trail=trail(stops)), 0, NOW)[0].mover.by is By.PERSON


def test_a_count_is_told_once_by_the_activity_and_the_call_that_it_made() -> None:
    scaled = Activity("activity-1", NOW - 3600, "Setting desired count to 5.", "monitor alarm triggered policy cpu")
    autoscalers = call(principal=ROLE.format("AWSServiceRoleForApplicationAutoScaling_ECSService/A"), desired=5)
    persons = call(event_id="event-2", at=NOW - 1800, desired=3)
    again = call(event_id="event-3", at=NOW - 900, desired=3, agent="Terraform/1.9")
    lower, raised = find_moves(facts(activities=(scaled,), trail=trail(autoscalers, persons, again)), 0, NOW)
    assert (raised.mover.by, raised.after) == (By.AUTOSCALER, "5")
    assert (lower.mover.by, lower.before, lower.after, lower.lowers, lower.by_others) == (
        By.PERSON, "5", "3", True, True,
    )  # fmt: skip


def test_a_scheduled_action_is_named_and_so_is_who_sets_limits_by_hand() -> None:
    evening = Activity(
        "activity-1", NOW - 3600, "Setting min capacity to 2 and max capacity to 8",
        "scheduled action name evening was triggered",
    )  # fmt: skip
    by_hand = call(operation="RegisterScalableTarget", at=NOW - 600, low=2, high=4)
    suspends = call(operation="RegisterScalableTarget", at=NOW - 300, suspends=True)
    found = find_moves(facts(activities=(evening,), trail=trail(by_hand, suspends)), 0, NOW)
    assert [(move.after, move.mover.by) for move in found] == [
        ("other suspensions of scaling", By.PERSON),
        ("2 to 4", By.PERSON),
        ("2 to 8", By.AUTOSCALER),
    ]
    assert found[2].mover.who == "the scheduled action evening"


def noticed(before: str = "5", after: str = "2", ago: float = 3600, what: Any = "count") -> Noticed:
    return Noticed(what, before, after, NOW - ago - 300, NOW - ago)


def test_what_only_two_looks_show_is_told_and_is_not_told_twice() -> None:
    [found] = find_moves(facts(noticed=(noticed(),)), 0, NOW)
    assert (found.before, found.after, found.mover.sure, found.lowers) == ("5", "2", Sure.NOT_KNOWN, True)
    [found] = find_moves(facts(noticed=(noticed(),), trail=trail(call(desired=2, at=NOW - 3700))), 0, NOW)
    assert (found.before, found.after, found.mover.by) == ("5", "2", By.PERSON)
    both = find_moves(facts(noticed=(noticed(),), trail=trail(call(desired=2, at=NOW - 7200))), 0, NOW)
    assert [move.mover.by for move in both] == [By.UNKNOWN, By.PERSON], "a call of another time explains nothing"


def test_what_we_have_set_ourselves_is_ours_without_cloudtrail() -> None:
    act = OurAct("the emergency scaling s", NOW - 7200, NOW, desired=2, low=2, high=6)
    seen = (noticed(), noticed("2 to 9", "2 to 6", what="limits"), noticed("backend:1", "backend:2", what="version"))
    found = find_moves(facts(noticed=seen, ours=Ours(acts=(act,)), trail=Trail(denied=True)), 0, NOW)
    assert {move.what: move.mover.by for move in found} == {
        "count": By.OURS, "limits": By.OURS, "version": By.UNKNOWN,
    }  # fmt: skip


@given(
    desired=st.lists(st.integers(0, 9), max_size=8),
    counts=st.lists(st.integers(0, 9), max_size=8),
    denied=st.booleans(),
)
def test_each_move_changes_something_and_none_names_a_person_without_a_call(
    desired: list[int], counts: list[int], denied: bool
) -> None:
    calls = [call(event_id=f"e{number}", at=NOW - 60 * number, desired=count) for number, count in enumerate(desired)]
    scaled = tuple(
        Activity(f"a{number}", NOW - 61 * number, f"Setting desired count to {count}.", "alarm")
        for number, count in enumerate(counts)
    )
    found = find_moves(facts(activities=scaled, trail=trail(*calls, denied=denied)), 0, NOW)
    assert [move.at for move in found] == sorted((move.at for move in found), reverse=True)
    assert all(move.before != move.after for move in found)
    people = [move for move in found if move.mover.by is By.PERSON]
    assert all(any("CloudTrail event" in clause for clause in move.evidence) for move in people)


def record(**what: Any) -> dict[str, Any]:
    document = {
        "eventTime": "2026-01-12T14:00:00Z", "eventName": "UpdateService", "eventID": "e-1", "userAgent": "aws-cli/2",
        "userIdentity": {"type": "IAMUser", "arn": USER},
        "requestParameters": {"cluster": "arn:aws:ecs:r:1:cluster/C", "service": "S", "desiredCount": 3, "x": SECRET},
    } | what  # fmt: skip
    return {"EventId": "e-1", "EventName": "UpdateService", "CloudTrailEvent": json.dumps(document)}


def test_an_event_of_cloudtrail_is_read_without_what_it_was_sent_beside_names_and_counts() -> None:
    found = call_of(record())
    assert found is not None
    assert (found.cluster, found.service, found.desired, found.user) == ("C", "S", 3, True)
    assert SECRET not in repr(found)
    assert call_of(record(errorCode="AccessDenied")) is None, "a refused call has changed nothing"


@pytest.mark.parametrize(
    "event", [{}, {"CloudTrailEvent": "{"}, {"CloudTrailEvent": "[]"}, {"CloudTrailEvent": '{"userIdentity": 3}'}]
)
def test_an_event_that_cannot_be_read_is_none(event: dict[str, Any]) -> None:
    assert call_of(event) is None


def test_an_event_with_strange_parts_is_read_as_far_as_it_can_be() -> None:
    found = call_of(record(userIdentity=None, requestParameters=None, responseElements={"service": {"deployments": 7}}))
    assert found is not None
    assert (found.principal, found.cluster, found.service, found.deployment_id) == ("", "default", "", "")


def test_a_secret_in_a_session_name_or_an_agent_is_not_shown() -> None:
    found = call_of(record(userAgent=f"x password={SECRET}", userIdentity={"arn": ROLE.format(f"r/token={SECRET}")}))
    assert found is not None
    assert SECRET not in repr(found)


def look(desired: int | None = 3, version: str = "backend:1", limits: str | None = "2 to 6", after: float = 0) -> Seen:
    return Seen(version=version, desired=desired, limits=limits, at=START + timedelta(seconds=after))


def test_two_looks_show_what_has_changed_between_them_and_what_is_unread_has_not() -> None:
    before = Moves().after(look())
    assert before.changes == ()
    changed = before.after(look(2, "backend:2", None, after=300))
    assert [(each.what, each.before, each.after) for each in changed.changes] == [
        ("version", "backend:1", "backend:2"),
        ("count", "3", "2"),
    ]
    assert changed.after(look(2, "backend:2", "2 to 6", after=600)).changes == changed.changes
    old = look(2, "backend:2").only_what_both_see(look(3, "backend:2"))
    assert [each.what for each in before.after(old).changes] == ["version"], "an old read is no change"


def test_an_open_change_gets_its_mover_when_that_is_told_and_keeps_it() -> None:
    changed = Moves().after(look()).after(look(2, after=300))
    told = find_moves(facts(trail=trail(call(desired=2, at=NOW + 120))), 0, NOW + 1200)
    known = changed.explained_by(told, START + timedelta(minutes=20))
    assert [each.by for each in known.changes] == [By.PERSON]
    assert known.open(START + timedelta(minutes=20)) == ()
    other = find_moves(facts(trail=trail(call(desired=2, at=NOW + 120, agent="Terraform"))), 0, NOW + 1200)
    assert known.explained_by(other, START + timedelta(minutes=20)) == known


def test_an_empty_state_has_no_record_of_ours() -> None:
    assert ours_of(Protection(), moment(NOW)) == Ours()


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("", "not there any more"),
        ("UPDATE_COMPLETE", "with its next update"),
        ("UPDATE_IN_PROGRESS", "is changing it now"),
        ("UPDATE_ROLLBACK_IN_PROGRESS", "takes the stack web back"),
        ("UPDATE_ROLLBACK_FAILED", "stuck in"),
    ],
)
def test_a_stack_is_told_as_a_second_mover(status: str, words: str) -> None:
    assert words in of_stack("web", status)
