"""What of a service is missing, and what would be made again: the plan, for services of several kinds."""

import json

import pytest

from services.recovery.api.recreation import shown
from services.recovery.domain.readiness import Need
from services.recovery.domain.recreation.move import Move
from services.recovery.domain.recreation.recreate_parts import Kind, new_names, permission, renamed
from services.recovery.domain.recreation.recreate_plan import Found, Unread, rules_of_others
from services.recovery.domain.snapshots.snapshot import Snapshot
from tests.services.recovery.harness import TARGET
from tests.services.recovery.recreations import (
    ADMIN,
    BALANCER,
    LISTENER,
    POLICY,
    SECRET,
    WEB,
    daemon,
    forward,
    part,
    planned,
    snapshot,
    there,
    worker,
)

WHOLE = snapshot()
PLACE = "main:443"


def test_everything_is_made_in_an_order_in_which_each_part_finds_what_it_needs() -> None:
    plan = planned(WHOLE)
    assert plan.makes == (
        "log group:/ecs/backend",
        "security group:backend",
        "rules of the security group:backend",
        "target group:web",
        "target group:admin",
        f"listener:{PLACE}",
        f"listener rule:{PLACE} priority 5",
        "task definition:backend:7",
        "Cloud Map service:backend.court.internal",
        "alarm:web-5xx",
        "service:BackendService",
        "scalable target:ecs:service:DesiredCount",
        "scaling policy:up",
        "scheduled action:morning",
        "alarm:busy",
        "composite alarm:all",
        "dashboard:surefoot-c-_-s",
    )
    assert not plan.blocked
    assert plan.tasks == 6, "as many as ran, and never one"


def test_where_nothing_is_gone_nothing_is_made() -> None:
    plan = planned(WHOLE, there(WHOLE), [Need("the cluster x", there=False)])
    assert (plan.makes, plan.blocked, plan.by_hand) == ((), (), ())
    assert plan.sentence == "Nothing of the service is missing."


def test_what_is_there_in_another_form_is_named_and_left() -> None:
    key = "target group:web"
    found = there(WHOLE) | {key: Found(WEB, {"Port": 8080, "HealthCheckPath": "/health"}, balanced=True)}
    plan = planned(WHOLE, found)
    [line] = [line for line in plan.lines if line.part.key == key]
    assert (line.state, line.made) == ("differs", False)
    assert line.sentence == "The target group web is there with another Port; it is left as it is."
    assert line.sentence in plan.warnings


def test_the_service_is_as_it_was_with_service_connect_tags_and_all_its_target_groups() -> None:
    body = part(WHOLE, "service:BackendService").body
    assert body["serviceConnectConfiguration"] == {"enabled": True, "namespace": "internal"}
    assert [each["targetGroupArn"] for each in body["loadBalancers"]] == [WEB, ADMIN]
    assert body["tags"] == [{"key": "team", "value": "court"}]
    assert (body["launchType"], body["platformVersion"], body["healthCheckGracePeriodSeconds"]) == (
        "FARGATE", "1.4.0", 60,
    )  # fmt: skip


def test_a_daemon_wants_no_count_and_has_no_platform() -> None:
    taken = daemon()
    body = part(taken, "service:BackendService").body
    assert not {"desiredCount", "platformVersion", "loadBalancers", "networkConfiguration"} & set(body)
    assert (body["launchType"], body["schedulingStrategy"]) == ("EC2", "DAEMON")
    assert planned(taken).tasks is None
    assert not planned(taken).blocked


def test_a_worker_on_spot_has_its_strategy_and_no_grace_period() -> None:
    body = part(worker(), "service:BackendService").body
    assert "launchType" not in body
    assert body["capacityProviderStrategy"] == [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
    assert "healthCheckGracePeriodSeconds" not in body
    assert not planned(worker()).blocked


def test_no_old_id_is_left_in_anything_that_is_made() -> None:
    new = {
        "sg-0old": "sg-0new",
        **new_names(WEB, WEB.replace("b0b", "fresh1")),
        **new_names(ADMIN, ADMIN.replace("c0c", "fresh2")),
        **new_names(LISTENER, LISTENER.replace("ddd", "fresh3")),
        **new_names(POLICY, POLICY.replace("scalingPolicy:1", "scalingPolicy:2")),
    }
    bodies = json.dumps([part(WHOLE, key).with_ids(new).body for key in planned(WHOLE).makes])
    assert not [old for old in ("sg-0old", "b0b", "c0c", "/ddd", "scalingPolicy:1:") if old in bodies]
    assert "app/main/aaa/targetgroup/web/fresh1" in bodies
    assert 'widgets\\": [\\"targetgroup/web/fresh1' in bodies.replace('\\\\"', '\\"')
    assert "sg-0lb" in bodies, "what is somebody else's stays"


def test_a_rule_is_made_as_aws_takes_it_and_an_alarm_without_what_is_empty() -> None:
    peered = {"GroupId": "sg-far", "UserId": "222222222222", "PeeringStatus": "active", "VpcPeeringConnectionId": "pcx"}
    own = {"GroupId": "sg-0lb", "UserId": "123456789012"}
    rule = {"IpProtocol": "tcp", "IpRanges": [], "UserIdGroupPairs": [peered, own]}
    assert permission(rule) == {
        "IpProtocol": "tcp",
        "UserIdGroupPairs": [
            {"GroupId": "sg-far", "UserId": "222222222222", "VpcPeeringConnectionId": "pcx"},
            {"GroupId": "sg-0lb"},
        ],
    }
    alarm = {"AlarmName": "math", "Metrics": [{"Id": "e1"}], "Dimensions": [], "ActionsEnabled": False, "Threshold": 0}
    made = part(snapshot(around={"alarms": [alarm]}), "alarm:math").body
    assert made == {"AlarmName": "math", "Metrics": [{"Id": "e1"}], "ActionsEnabled": False, "Threshold": 0}


def test_rules_in_other_groups_are_shown_as_commands_and_made_by_nobody() -> None:
    [command] = planned(WHOLE).by_hand
    assert "--group-id sg-0db" in command
    assert "IpProtocol=tcp,FromPort=5432,ToPort=5432" in command
    [known] = rules_of_others(WHOLE, {"sg-0old"}, {"sg-0old": "sg-0new"})
    assert known.endswith("UserIdGroupPairs=[{GroupId=sg-0new}]'")
    assert not planned(WHOLE, there(WHOLE)).by_hand


def test_what_must_be_there_and_is_not_blocks_with_what_to_do() -> None:
    needs = [
        Need("the cluster court", there=False),
        Need("the image x", there=False),
        Need("the role r", None, "denied"),
    ]
    plan = planned(WHOLE, needs=needs)
    cluster, image = plan.blocked
    assert cluster.startswith("The cluster court is not there: make it first, as your infrastructure code has it")
    assert image == "The image x is not there: push it again, or name a snapshot whose image is there."
    assert "Whether the role r is there is not known: denied." in plan.warnings


def test_a_priority_that_somebody_else_has_taken_blocks() -> None:
    taken = Found(in_the_way="a rule for other requests has its priority")
    found = there(WHOLE) | {"service:BackendService": None, f"listener rule:{PLACE} priority 5": taken}
    plan = planned(WHOLE, found)
    [sentence] = plan.blocked
    assert "a rule for other requests has its priority" in sentence


def test_a_listener_that_sends_requests_elsewhere_blocks_a_group_without_another_way() -> None:
    elsewhere = Found(LISTENER, {"Port": 443, "DefaultActions": [{"Type": "fixed-response"}]})
    found = there(WHOLE) | {"target group:web": None, f"listener:{PLACE}": elsewhere}
    [sentence] = planned(WHOLE, found).blocked
    assert sentence.startswith("No listener would send requests to the target group web")
    other_certificate = Found(LISTENER, {"SslPolicy": "new", "DefaultActions": forward(WEB)})
    assert not planned(WHOLE, found | {f"listener:{PLACE}": other_certificate}).blocked


def test_a_login_whose_secret_nobody_knows_is_not_made() -> None:
    login = {"ListenerArn": LISTENER, "LoadBalancerArn": BALANCER, "Port": 443,
             "DefaultActions": [{"Type": "authenticate-oidc"}, *forward(WEB)]}  # fmt: skip
    [sentence] = planned(snapshot(around={"listeners": [login], "rules": {}, "target_groups": [
        WHOLE.surroundings["target_groups"][0]]})).blocked  # fmt: skip
    assert "client secret" in sentence


def test_what_cannot_be_looked_at_blocks_and_names_the_role() -> None:
    plan = planned(WHOLE, there(WHOLE) | {"service:BackendService": None, "alarm:busy": Unread("AccessDenied")})
    [sentence] = plan.blocked
    assert sentence == (
        "Whether the alarm busy is there is not known: AccessDenied. Let recovery's role look at it (surefoot iam)."
    )


@pytest.mark.parametrize("kind", ["whole", "daemon", "worker"])
def test_a_snapshot_of_an_earlier_version_is_read_and_says_what_it_lacks(kind: str) -> None:
    made = {"whole": snapshot, "daemon": daemon, "worker": worker}[kind]()
    lacks = {"log_groups", "alarms", "composite_alarms", "dashboards", "referring_groups"}
    old = made.model_copy(update={"surroundings": {k: v for k, v in made.surroundings.items() if k not in lacks}})
    [warning] = [sentence for sentence in planned(old).warnings if "does not hold" in sentence]
    assert "the retention and the keys of its log groups; its alarms; its dashboard" in warning
    assert ("which other security groups" in warning) is (kind != "daemon")
    assert "log group:/ecs/backend" in planned(old).makes, "its name is in the task definition"


def test_an_approval_is_bound_to_exactly_what_is_made() -> None:
    nothing, half = planned(WHOLE), planned(WHOLE, {"log group:/ecs/backend": Found(body={"retentionInDays": 30})})
    more = planned(snapshot({"desiredCount": 7}))
    assert len({nothing.digest, half.digest, more.digest}) == 3
    assert planned(snapshot()).digest == nothing.digest


def test_no_secret_is_shown_of_a_plan() -> None:
    view = json.dumps(shown(WHOLE, Move(TARGET, TARGET), planned(WHOLE)), default=str)
    assert SECRET not in view
    assert SECRET not in repr(planned(WHOLE))


def everything(taken: Snapshot) -> set[Kind]:
    return {line.part.kind for line in planned(taken).lines}


def test_a_service_that_is_whole_has_a_part_of_each_kind() -> None:
    assert everything(WHOLE) == set(Kind)


@pytest.mark.parametrize(
    ("gone", "left", "named"),
    [
        ("scaling policy:up", "alarm busy", "scaling policy up"),
        ("target group:web", "alarm web-5xx", "target group web"),
        ("target group:web", "dashboard surefoot-c-_-s", "target group web"),
        ("target group:admin", f"listener rule {PLACE} priority 5", "target group admin"),
    ],
)
def test_what_stays_and_names_what_gets_another_id_is_told(gone: str, left: str, named: str) -> None:
    plan = planned(WHOLE, {key: found for key, found in there(WHOLE).items() if key != gone})
    sentence = f"The {left} is there and stays as it is, but names the {named}, which gets another id"
    assert [warning for warning in plan.warnings if warning.startswith(sentence)], plan.warnings


def test_what_stays_and_names_what_stays_is_not_told() -> None:
    gone = {"log group:/ecs/backend", "composite alarm:all"}
    plan = planned(WHOLE, {key: found for key, found in there(WHOLE).items() if key not in gone})
    assert not [warning for warning in plan.warnings if "another id" in warning]


def test_names_that_stand_for_one_another_are_put_in_place_at_once() -> None:
    names = {"sg-1": "sg-2", "sg-2": "sg-1", "sg-12": "sg-9"}
    assert renamed({"groups": ["sg-1", "sg-2", "x/sg-12/sg-1"], "count": 3}, names) == {
        "groups": ["sg-2", "sg-1", "x/sg-9/sg-2"], "count": 3,
    }  # fmt: skip
    assert renamed("sg-1", {}) == "sg-1"
