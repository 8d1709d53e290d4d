"""What differs between snapshots, and between a service and its last good one: in words, without secrets."""

import copy
import json
import random
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.recovery import Arm, DriftObserved
from services._aws.errors import AwsError
from services._chassis.reasons import Impossible
from services.recovery.domain.outside.remembered import Settled
from services.recovery.domain.protection import Protection
from services.recovery.domain.snapshots.canonical import canonical
from services.recovery.domain.snapshots.comparable import Side
from services.recovery.domain.snapshots.compare import compare_snapshots, drift_of
from services.recovery.domain.snapshots.drift import DriftState, last_good
from services.recovery.domain.snapshots.snapshot_index import SnapshotEntry
from tests.services.recovery.harness import ARN, BAD, SECRET, START, TARGET, Recovery

GROUP, OTHER_GROUP = (
    f"arn:aws:elasticloadbalancing:us-west-2:123456789012:targetgroup/{name}/0123456789abcdef"
    for name in ("blue", "green")
)
LISTENER = "arn:aws:elasticloadbalancing:us-west-2:123456789012:listener/app/web/0123456789abcdef/0123456789abcdef"
SERVICE: dict[str, Any] = {
    "serviceName": "BackendService",
    "taskDefinition": f"{ARN}:1",
    "desiredCount": 3,
    "launchType": "FARGATE",
    "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1", "subnet-2"], "securityGroups": ["sg-1"]}},
    "deploymentConfiguration": {"maximumPercent": 150},
    "loadBalancers": [
        {
            "targetGroupArn": GROUP,
            "containerName": "backend",
            "containerPort": 8000,
            "advancedConfiguration": {"alternateTargetGroupArn": OTHER_GROUP},
        }
    ],
    "tags": [{"key": "team", "value": "court"}, {"key": "aws:cloudformation:stack-name", "value": "web"}],
    "deployments": [{"id": "ecs-svc/1", "status": "PRIMARY", "taskDefinition": f"{ARN}:1"}],
}
DEFINITION: dict[str, Any] = {
    "taskDefinitionArn": f"{ARN}:1",
    "family": "backend",
    "status": "ACTIVE",
    "cpu": "512",
    "memory": "1024",
    "executionRoleArn": "arn:aws:iam::123456789012:role/execution",
    "containerDefinitions": [
        {
            "name": "backend",
            "image": "registry/backend:1.4",
            "command": ["serve", "--port", "8000"],
            "environment": [{"name": "DATABASE_URL", "value": SECRET}, {"name": "LEVEL", "value": "info"}],
            "secrets": [{"name": "JWT", "valueFrom": "arn:aws:secretsmanager:us-west-2:123456789012:secret:jwt"}],
            "portMappings": [{"containerPort": 8000}, {"containerPort": 9000}],
            "healthCheck": {"command": ["CMD-SHELL", "curl -f localhost"]},
            "logConfiguration": {"logDriver": "splunk", "options": {"splunk-token": SECRET}},
        },
        {"name": "sidecar", "image": "registry/sidecar:7"},
    ],
}
AROUND: dict[str, Any] = {
    "target_groups": [{"TargetGroupArn": GROUP, "HealthCheckPath": "/health", "Port": 8000}],
    "target_group_attributes": {GROUP: [{"Key": "deregistration_delay.timeout_seconds", "Value": "30"}]},
    "rules": {
        LISTENER: [
            {
                "Priority": "10",
                "Conditions": [{"Field": "path-pattern", "Values": ["/api/*"]}],
                "Actions": [
                    {
                        "Type": "forward",
                        "ForwardConfig": {
                            "TargetGroups": [
                                {"TargetGroupArn": GROUP, "Weight": 100},
                                {"TargetGroupArn": OTHER_GROUP, "Weight": 0},
                            ]
                        },
                    }
                ],
            },
            {"Priority": "20", "Actions": [{"Type": "forward", "TargetGroupArn": "arn:somebody/else/1"}]},
        ]
    },
    "security_groups": [{"GroupId": "sg-1", "IpPermissions": [{"FromPort": 8000, "IpProtocol": "tcp"}]}],
    "scalable_targets": [{"MinCapacity": 2, "MaxCapacity": 6}],
}
DIGESTS = {"backend": "sha256:" + "a" * 64, "sidecar": "sha256:" + "b" * 64}


def side(**changes: Any) -> Side:
    return Side(**(copy.deepcopy({
        "service": SERVICE, "definition": DEFINITION, "digests": DIGESTS, "around": AROUND,
    }) | changes))  # fmt: skip


def changed(what: dict[str, Any], **settings: Any) -> dict[str, Any]:
    return copy.deepcopy(what) | settings


def container(**settings: Any) -> dict[str, Any]:
    backend, sidecar = copy.deepcopy(DEFINITION["containerDefinitions"])
    return changed(DEFINITION, containerDefinitions=[backend | settings, sidecar])


def shuffled(value: Any, dice: random.Random, name: str = "") -> Any:
    """Return what AWS might as well have answered: another order, defaults and empty parts written out."""
    if isinstance(value, dict):
        items = [(key, shuffled(part, dice, key)) for key, part in value.items()]
        dice.shuffle(items)
        padding: dict[str, Any] = (
            {"volumesFrom": [], "links": None, "mountPoints": [], "privileged": False} if "image" in value else {}
        )
        if "containerPort" in value and "containerName" not in value:
            padding = {"hostPort": value["containerPort"], "protocol": "tcp"}
        return dict(items) | padding
    if isinstance(value, list):
        parts = [shuffled(part, dice) for part in value]
        if name not in {"command", "entryPoint"}:
            dice.shuffle(parts)
        return parts
    return value


@given(seed=st.integers(0, 10_000))
def test_the_same_told_in_another_way_is_no_drift(seed: int) -> None:
    dice = random.Random(seed)
    told = side(service=shuffled(SERVICE, dice), definition=shuffled(DEFINITION, dice), around=shuffled(AROUND, dice))
    for before, after in ((side(), told), (told, side())):
        assert drift_of(before, after) == ((), ())
        assert compare_snapshots(before, after).differences == ()


def test_what_ecs_and_whoever_scales_change_by_themselves_is_no_drift() -> None:
    swapped = [
        {"TargetGroupArn": GROUP, "Weight": 0},
        {"TargetGroupArn": OTHER_GROUP, "Weight": 100},
    ]
    rules = copy.deepcopy(AROUND["rules"])
    rules[LISTENER][0]["Actions"][0]["ForwardConfig"]["TargetGroups"] = swapped
    rules[LISTENER][1]["Priority"] = "30"  # another service's
    balancer = copy.deepcopy(SERVICE["loadBalancers"][0])
    balancer |= {
        "targetGroupArn": OTHER_GROUP, "advancedConfiguration": {"alternateTargetGroupArn": GROUP},
    }  # fmt: skip
    live = side(
        service=changed(SERVICE, desiredCount=17, loadBalancers=[balancer], runningCount=4, events=[{"message": "x"}]),
        around=AROUND | {"rules": rules, "scalable_targets": [{"MinCapacity": 4, "MaxCapacity": 60}]},
        definition=container(image="registry/backend@" + DIGESTS["backend"]) | {"taskDefinitionArn": f"{ARN}:9"},
    )
    assert drift_of(side(), live).differences == ()
    # between two snapshots the scaling is told as well
    assert compare_snapshots(side(), live).differences == (
        "The desired count was 3, and is 17.",
        "The scaling's MinCapacity was 2, and is 4.",
        "The scaling's MaxCapacity was 6, and is 60.",
    )


@pytest.mark.parametrize(
    ("live", "sentence"),
    [
        (
            {"service": changed(SERVICE, deploymentConfiguration={"maximumPercent": 100})},
            "deploymentConfiguration.maximumPercent was 150 in the snapshot, and is 100.",
        ),
        (
            {"service": changed(SERVICE, enableExecuteCommand=True)},
            "enableExecuteCommand is true, and was not set in the snapshot.",
        ),
        (
            {"service": changed(SERVICE, loadBalancers=[])},
            "The load balancing by blue and green is not set any more; it was backend:8000 in the snapshot.",
        ),
        (
            {"service": changed(SERVICE, tags=[{"key": "team", "value": "jury"}])},
            "The tag team was court in the snapshot, and is jury.",
        ),
        (
            {"digests": DIGESTS | {"sidecar": "sha256:" + "c" * 64}},
            "The image of the container sidecar was registry/sidecar@sha256:" + "b" * 64 + " in the snapshot, and is "
            "registry/sidecar@sha256:" + "c" * 64 + ".",
        ),
        (
            {"definition": container(environment=[{"name": "DATABASE_URL", "value": f"{SECRET}!"}])},
            "The variable DATABASE_URL of the container backend has changed.",
        ),
        ({"definition": container(secrets=[])}, "The secret JWT of the container backend is gone."),
        (
            {"definition": changed(DEFINITION, cpu="1024")},
            "The task's cpu was 512 in the snapshot, and is 1024.",
        ),
        (
            {"definition": changed(DEFINITION, status="INACTIVE")},
            "The task definition's status is INACTIVE: it was deregistered, and was not set in the snapshot.",
        ),
        (
            {"definition": container(healthCheck={"command": ["CMD-SHELL", "true"]})},
            "healthCheck of the container backend has changed.",
        ),
        (
            {"definition": container(logConfiguration={"logDriver": "splunk", "options": {"splunk-token": "other"}})},
            "logConfiguration of the container backend has changed.",
        ),
        (
            {"around": AROUND | {"target_groups": [{"TargetGroupArn": GROUP, "HealthCheckPath": "/", "Port": 8000}]}},
            "HealthCheckPath of the target group blue was /health in the snapshot, and is /.",
        ),
        (
            {"around": AROUND | {"security_groups": [{"GroupId": "sg-1", "IpPermissions": []}]}},
            "The rule set of the security group sg-1 has changed.",
        ),
    ],
)  # fmt: skip
def test_each_difference_is_a_sentence_without_secrets(live: dict[str, Any], sentence: str) -> None:
    found = drift_of(side(), side(**live))
    assert sentence in found.differences
    assert SECRET not in json.dumps(found)


def test_what_could_not_be_read_is_not_compared_and_never_gone() -> None:
    live = side(around={"scalable_targets": []}, definition={}, unread=("Elastic Load Balancing did not answer",))
    assert drift_of(side(), live) == ((), ("Elastic Load Balancing did not answer: not compared",))
    # without digests, the same tag stands for the same image, and another tag is another image
    assert drift_of(side(), side(digests={})).differences == ()
    [found] = drift_of(
        side(digests={}), side(digests={}, definition=container(image="registry/backend:1.5"))
    ).differences
    assert "1.4" in found
    assert "1.5" in found


@pytest.mark.parametrize(
    "service",
    [
        changed(SERVICE, loadBalancers=[]),  # a worker
        {key: value for key, value in SERVICE.items() if key != "desiredCount"} | {"schedulingStrategy": "DAEMON"},
        changed(SERVICE, loadBalancers=[*SERVICE["loadBalancers"], {"loadBalancerName": "classic"}]),
        {"serviceName": "x", "taskDefinition": f"{ARN}:1"},  # ECS lists no deployment
    ],
)
def test_every_kind_of_service_is_compared(service: dict[str, Any]) -> None:
    assert drift_of(side(service=service), side(service=copy.deepcopy(service))).differences == ()
    assert drift_of(side(service=service), side(service=changed(service, platformVersion="1.3.0"))).differences


def test_false_and_zero_stay_where_they_mean_something() -> None:
    assert canonical({"essential": False, "minimumHealthyPercent": 0}) == {
        "essential": False,
        "minimumHealthyPercent": 0,
    }
    assert canonical({"essential": True, "privileged": False, "cpu": 0, "list": [None, ""]}) is None


def entry(number: int, *, proven: bool = True, version: int | None = None) -> SnapshotEntry:
    return SnapshotEntry(
        snapshot_id=f"20260112_14300{number}_{number:08x}",
        task_definition=f"{ARN}:{version or number}",
        deployment_id=f"ecs-svc/{number}",
        taken_at=START + timedelta(minutes=number),
        proven=proven,
    )


def test_what_was_taken_back_is_not_the_last_good_one() -> None:
    one, two, three = entry(1), entry(2), entry(3, proven=False)
    index = Protection(snapshots=(three, two, one))
    taken_back = Settled(deployment_id="ecs-svc/2", why="taken-back", by="r", task_definition=f"{ARN}:2")
    by_hand = Settled(deployment_id="", why="taken-back", by="r", task_definition=f"{ARN}:2")
    assert last_good(index, "ecs-svc/3") == two
    assert last_good(index.replace(settled=(taken_back,)), "ecs-svc/2") == one
    assert last_good(index.replace(settled=(by_hand,)), "ecs-svc/1") == one
    # it was deployed again, and has passed its checks
    assert last_good(index.replace(settled=(by_hand,)), "ecs-svc/2") == two
    assert last_good(Protection(snapshots=(three,)), "ecs-svc/3") is None


@pytest.fixture
async def recovery() -> Recovery:
    """Recovery with a proven snapshot of what is live."""
    recovery = Recovery()
    await recovery.snapshot(purpose="after-change")
    return recovery


async def test_the_live_service_is_compared_with_its_last_good_snapshot(recovery: Recovery) -> None:
    [good] = recovery.protection.snapshots
    drift = await recovery.inspect.drift(TARGET)
    assert (drift.state, drift.sentence) == (DriftState.NONE, f"The service is as in {good.snapshot_id}.")
    recovery.ecs.desired = 9
    recovery.ecs.settings["enableExecuteCommand"] = True
    drift = await recovery.inspect.drift(TARGET)
    assert drift.state is DriftState.DRIFTED
    assert drift.differences == ("enableExecuteCommand is true, and was not set in the snapshot.",)


async def test_while_somebody_changes_the_service_nothing_is_judged(recovery: Recovery) -> None:
    recovery.ecs.deploy_elsewhere(recovery.ecs.add_definition(BAD))
    assert "a deployment is under way" in (await recovery.inspect.drift(TARGET)).sentence
    recovery.ecs.fall_back(f"{ARN}:1", "SUCCESSFUL")
    recovery.clock.time += 600
    [good] = recovery.protection.snapshots
    arm = Arm(target=TARGET, run_id="r", snapshot_id=good.snapshot_id, expires_at=recovery.now + timedelta(hours=1))
    await recovery.send(arm, "arm")
    assert "run r is under way" in (await recovery.inspect.drift(TARGET)).sentence
    recovery.ecs.gone = True
    assert "the service is not there" in (await recovery.inspect.drift(TARGET)).sentence
    assert "no snapshot of it is proven" in (await Recovery().inspect.drift(TARGET)).sentence


async def test_a_snapshot_that_was_changed_is_not_compared_with(recovery: Recovery) -> None:
    [good] = recovery.protection.snapshots
    stored = recovery.shelf.objects[good.snapshot_id]
    recovery.shelf.objects[good.snapshot_id] = type(stored)(stored.body.replace(b"production", b"other"))
    drift = await recovery.inspect.drift(TARGET)
    assert (drift.state, "it was changed after it was stored" in drift.sentence) == (DriftState.NOT_JUDGED, True)
    with pytest.raises(Impossible, match="is not used"):
        await recovery.inspect.compared(TARGET, good.snapshot_id, good.snapshot_id)
    recovery.shelf.objects.clear()
    assert "it is not in the bucket" in (await recovery.inspect.drift(TARGET)).sentence


async def test_a_snapshot_has_what_only_the_service_revision_tells(recovery: Recovery) -> None:
    [good] = recovery.protection.snapshots
    stored = await recovery.snapshots.get(TARGET, good.snapshot_id, recovery.protection.snapshots)
    assert stored is not None
    assert stored.snapshot.revision["guardDutyEnabled"] is True
    recovery.ecs.refusing["revision"] = AwsError("ECS did not answer DescribeServiceRevisions", temporary=True)
    recovery.clock.time += 60
    without = await recovery.snapshot("run-2")
    stored = await recovery.snapshots.get(TARGET, without, recovery.protection.snapshots)
    assert stored is not None
    assert stored.snapshot.unknown == ("its service revision (ECS did not answer DescribeServiceRevisions)",)


async def rounds(recovery: Recovery, times: int) -> list[tuple[str, ...]]:
    """Look so many times; return the differences that were told, in their order."""
    await recovery.watch(times)
    return [event.differences for event in reversed(recovery.published(DriftObserved))]


async def test_an_untouched_service_never_drifts_however_often_it_is_scaled(recovery: Recovery) -> None:
    for desired in range(1, 25):
        recovery.ecs.desired = desired
        assert await rounds(recovery, 1) == []


async def test_a_drift_is_told_once_and_again_each_day_and_when_it_is_gone(recovery: Recovery) -> None:
    recovery.ecs.settings["enableExecuteCommand"] = True
    told = await rounds(recovery, 5)
    assert told == [("enableExecuteCommand is true, and was not set in the snapshot.",)]
    # what cannot be read changes nothing
    recovery.ecs.refusing["service"] = AwsError("ECS did not answer DescribeServices", temporary=True)
    assert await rounds(recovery, 2) == told
    del recovery.ecs.refusing["service"]
    assert len(await rounds(recovery, 20)) == 2
    recovery.ecs.settings["enableExecuteCommand"] = False
    assert (await rounds(recovery, 3))[2:] == [()]
