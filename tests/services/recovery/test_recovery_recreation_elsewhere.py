"""A service is made in another cluster or region than its snapshot is of; what cannot be carried over is refused."""

import json
from functools import partial
from typing import Any

import httpx2
import pytest

from benchmarks.recreations import Course, recreated
from benchmarks.surrounded import Person
from sandbox.aws.server.incidents import bring_about
from sandbox.aws.workloads import COURT, COURT_SOUTH
from sandbox.scenarios.incident import Incident
from services._chassis.aws_connection import Place
from services.recovery.domain.recreation.move import Move, moved, not_carried_over, runs_there, unknown_names
from services.recovery.domain.recreation.recreate_plan import parts_of
from surefoot.rehearsal.stage import Stage
from tests.services.recovery.harness import TARGET
from tests.services.recovery.recreations import (
    BALANCER,
    DEFINITION,
    NOW,
    SECRET,
    snapshot,
)
from tests.services.recovery.test_recovery_recreation import HERE, LOST, World
from tests.services.recovery.test_recovery_recreation_of_kinds import scenario
from tests.services.recovery.web import client_of

STANDBY = TARGET.model_copy(update={"cluster": "Standby"})
SOUTH = TARGET.model_copy(update={"region": "eu-south-1"})
OF_SERVICE = [{"Name": "ClusterName", "Value": TARGET.cluster}, {"Name": "ServiceName", "Value": TARGET.service}]
BUSY = {"AlarmName": "busy", "MetricName": "CPUUtilization", "Namespace": "AWS/ECS", "Dimensions": OF_SERVICE}
OURS = {"AlarmName": f"surefoot-{TARGET.cluster}/{TARGET.service}-errors", "MetricName": "Errors"}
METRICS = {"region": TARGET.region, "metrics": [["AWS/ECS", "CPUUtilization", "ClusterName", TARGET.cluster]]}
BOARD = json.dumps({"widgets": [{"properties": METRICS}]})
WHOLE = snapshot(
    around={"alarms": [BUSY, OURS], "dashboards": {f"surefoot-{TARGET.cluster}-_-{TARGET.service}": BOARD}}
)
HINT = "which is of us-west-2: say what stands for it in eu-south-1 (--map OLD=NEW)."
NAMES = {
    BALANCER: BALANCER.replace("us-west-2", "eu-south-1").replace("aaa", "fff"),
    "123456789012.dkr.ecr.us-west-2.amazonaws.com": "123456789012.dkr.ecr.eu-south-1.amazonaws.com",
}


def bodies(move: Move) -> str:
    """Return the parameters of every call that makes a part of it there."""
    return json.dumps([[part.name, part.body] for part in parts_of(moved(WHOLE, move), NOW)], default=str)


def test_nothing_names_the_cluster_that_it_comes_from() -> None:
    assert moved(WHOLE, Move(TARGET, TARGET)) is WHOLE
    assert TARGET.cluster in bodies(Move(TARGET, TARGET))
    text = bodies(Move(TARGET, STANDBY))
    assert TARGET.cluster not in text
    for name in (
        "service/Standby/BackendService", "surefoot-Standby/BackendService-errors", "surefoot-Standby-_-BackendService",
    ):  # fmt: skip
        assert name in text
    assert not not_carried_over(Move(TARGET, STANDBY), WHOLE, parts_of(WHOLE, NOW)).blocked


def test_what_belongs_to_the_other_region_is_named_one_by_one_and_no_secret_with_it() -> None:
    around = {"environment": [{"name": "HOME_REGION", "value": f"us-west-2/{SECRET}"}]}
    definition = DEFINITION | {"containerDefinitions": [DEFINITION["containerDefinitions"][0] | around]}
    taken = WHOLE.model_copy(update={"task_definition": definition})
    move = Move(TARGET, SOUTH)
    found = not_carried_over(move, taken, parts_of(moved(taken, move), NOW))
    assert found.blocked == (
        f"The listener main:443 names {BALANCER}, {HINT}",
        f"The task definition backend:7 names 123456789012.dkr.ecr.us-west-2.amazonaws.com, {HINT}",
    )
    assert "names us-west-2 in HOME_REGION: it stays as it is" in " ".join(found.warnings)
    assert "the groups database let its tasks in" in " ".join(found.warnings)
    assert SECRET not in repr(found)


def test_what_stands_for_something_is_put_in_its_place_everywhere() -> None:
    move = Move(TARGET, SOUTH, NAMES)
    there = moved(WHOLE, move)
    assert not not_carried_over(move, WHOLE, parts_of(there, NOW)).blocked
    text = bodies(move)
    assert '"region": "eu-south-1"' in text.replace("\\", "")
    assert "app/main/fff/targetgroup/web" in text, "the name under which metrics are counted as well"
    assert there.surroundings["referring_groups"] == []
    assert "log group:/ecs/backend" in {each.key for each in parts_of(there, NOW)}


def test_a_name_that_the_snapshot_does_not_have_is_told_and_secrets_cannot_be_guessed() -> None:
    assert unknown_names(WHOLE, [*NAMES, "subnet-9", SECRET]) == ("subnet-9", SECRET)


def test_the_service_that_it_comes_from_must_not_run_any_more() -> None:
    move = Move(TARGET, STANDBY)
    assert not runs_there(move, 0).blocked
    assert "still wants 3 tasks, and its work would be done twice" in runs_there(move, 3).blocked[0]
    assert "is not known" in runs_there(move, None).warnings[0]
    assert runs_there(Move(TARGET, TARGET), 3) == runs_there(move, 0)


async def test_over_http_the_snapshot_of_one_cluster_is_made_in_another() -> None:
    world = World()
    await world.recovery.snapshots.put(snapshot())
    async with client_of(world.recovery) as web:
        await made_in_another(world, web)


async def made_in_another(world: World, web: httpx2.AsyncClient) -> None:
    path, told = f"/recreate/{STANDBY.cluster}/{STANDBY.service}", world.recovery.infrastructure
    body: dict[str, Any] = {"actor": "ann", "from_cluster": TARGET.cluster}
    assert (await web.post(path, json={"actor": "ann"})).status_code == 409, "it has no snapshot of its own"
    told.elsewhere = 6
    twice = await web.post(path, json=body)
    assert (twice.status_code, "still wants 6 tasks" in twice.json()["detail"]) == (409, True)
    told.elsewhere = LOST
    dry = (await web.post(path, json=body | {"dry_run": True})).json()
    assert "Whether CourtCaseCluster/BackendService in us-west-2 still runs tasks" in dry["warnings"][0]
    told.elsewhere = 0
    unknown = await web.post(path, json=body | {"names": {"subnet-99": "subnet-7"}})
    assert "The snapshot names no subnet-99" in unknown.json()["detail"]
    assert (await web.post(path, json=body | {"names": {"sg": "sg-1"}})).status_code == 422, "too short to be an id"
    asked = (await web.post(path, json=body | {"names": {"subnet-1": "subnet-7"}})).json()
    assert (asked["source"], asked["target"]) == (str(TARGET), str(STANDBY))
    assert asked["names"] == {"subnet-1": "subnet-7"}
    shown = (await web.get(path)).json()["recreation"]
    assert (shown["source"]["cluster"], shown["names"]) == (TARGET.cluster, {"subnet-1": "subnet-7"})
    approved = await web.post(f"{path}/approve", json={"actor": "bob", "plan": asked["plan"]})
    assert approved.status_code == 202
    assert await world.work(asked["recreation_id"])
    assert world.operation(asked["recreation_id"])["result"] == "recreated"
    made = json.dumps([part.body for part in told.made])
    assert ("subnet-7" in made, "subnet-1" in made, TARGET.cluster in made) == (True, False, False)
    assert (await web.get(HERE)).json()["past"] == [], "it is the other one's"


def standby(stage: Stage) -> None:
    stage.connection.client("ecs").create_cluster(clusterName=STANDBY.cluster)


@pytest.mark.slow
def test_on_aws_another_cluster_takes_over_with_what_stands_around_the_service() -> None:
    wanted = scenario()
    person, heir = Person(wanted.world.service), Person(wanted.world.service.changed(cluster=STANDBY.cluster))

    def before(stage: Stage) -> None:
        standby(stage)
        person.surround(stage)

    ended = recreated(wanted, course=Course("service", before, after=heir.look, into=STANDBY))
    assert ended.finished is not None, ended.refused
    assert ended.finished.result == "recreated", ended.finished.sentence
    service = heir.now["service"]
    assert (service["runningCount"], service["desiredCount"]) == (3, 3)
    assert service["loadBalancers"] == person.then["service"]["loadBalancers"], "requests go to it as before"
    assert {target["ResourceId"] for target in heir.now["scalable"]} == {"service/Standby/BackendService"}
    boards = heir.now["dashboards"]
    assert '"ClusterName", "Standby"' in boards["surefoot-Standby-_-BackendService"]


def test_on_aws_a_cluster_that_is_not_there_is_no_place() -> None:
    ended = recreated(scenario("worker"), course=Course("service", into=STANDBY))
    assert "The cluster Standby is not there: make it first" in ended.refused


def south(stage: Stage) -> dict[str, str]:
    """Return what stands in the other region for what is in the snapshot, as a person knows it."""
    found = []
    for region in (TARGET.region, SOUTH.region):
        client = partial(stage.connection.client, place=Place(TARGET.account, region))
        [vpc] = client("ec2").describe_vpcs()["Vpcs"]
        [group] = client("ec2").describe_security_groups(GroupNames=["backend-entrance"])["SecurityGroups"]
        [balancer] = client("elbv2").describe_load_balancers()["LoadBalancers"]
        subnets = [subnet["SubnetId"] for subnet in client("ec2").describe_subnets()["Subnets"]][:2]
        found.append([vpc["VpcId"], group["GroupId"], balancer["LoadBalancerArn"], *subnets])
    names = dict(zip(*found, strict=True)) | {COURT.secret_arn: COURT_SOUTH.secret_arn}
    old, new = (f"{TARGET.account}.dkr.ecr.{region}.amazonaws.com" for region in (TARGET.region, SOUTH.region))
    return names | {old: new}


def deleted(stage: Stage) -> None:
    """Delete everything of the service that stands in the other region under the same names."""
    there = stage.aws.worlds[COURT_SOUTH.place]
    with there.lock:
        bring_about(there, Incident(deletes="everything"))


@pytest.mark.slow
def test_on_aws_another_region_takes_over_where_it_is_said_what_stands_for_what() -> None:
    wanted = scenario()
    person, found = Person(wanted.world.service), dict[str, Any]()

    def look(stage: Stage) -> None:
        client = partial(stage.connection.client, place=Place(TARGET.account, SOUTH.region))
        named = {"cluster": TARGET.cluster, "services": [TARGET.service]}
        found["service"] = client("ecs").describe_services(**named)["services"][0]
        found["alarms"] = client("cloudwatch").describe_alarms(AlarmNames=["requests-0"])["MetricAlarms"]

    course = Course("everything", person.surround, deleted, look, into=SOUTH, others=(COURT_SOUTH,), names=south)
    ended = recreated(wanted, course=course)
    assert ended.finished is not None, ended.refused
    assert ended.finished.result == "recreated", ended.finished.sentence
    assert found["service"]["runningCount"] == 3
    assert ":eu-south-1:" in found["service"]["loadBalancers"][0]["targetGroupArn"]
    assert "us-west-2" not in json.dumps([found["service"], found["alarms"]], default=str)
    assert {call.region for call in ended.calls} == {SOUTH.region}


@pytest.mark.slow
def test_on_aws_another_region_of_which_nothing_is_said_is_refused_with_each_thing() -> None:
    course = Course("everything", gone=deleted, into=SOUTH, others=(COURT_SOUTH,))
    refused = recreated(scenario(), course=course).refused
    for what in (
        "names vpc-",
        "names subnet-",
        "loadbalancer/app/court-case-alb",
        "secret:court-case/jwt",
        ".dkr.ecr.",
    ):
        assert what in refused, what
