"""ECS's answers, with whatever AWS leaves out of them left out."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from contracts.base import Target
from services._aws import ecs
from services._aws.ecs_task import EcsTask
from services._aws.ecs_views import EcsService
from services._aws.errors import AwsError, Missing
from services._aws.task_definition import EcsTaskDefinition
from tests.kit import ScriptedAws, refusal

TARGET = Target(account="123456789012", region="us-west-2", cluster="Main", service="api")
DATA = Path(__file__).parents[2] / "data" / "ecs"
NOON = datetime(2025, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize("status", ["ACTIVE", "DRAINING"])
async def test_a_service_is_there_until_it_is_deleted(status: str) -> None:
    aws = ScriptedAws(describe_services={"services": [{"serviceName": "api", "status": status}], "failures": []})
    found = await ecs.find_service(aws, TARGET)
    assert isinstance(found, EcsService)
    assert (found.being_deleted is not None) == (status == "DRAINING")
    assert aws.calls == [("describe_services", {"cluster": "Main", "services": ["api"]})]
    assert aws.targets == [TARGET]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"services": [], "failures": [{"reason": "MISSING"}]}, "there is no service api in the cluster Main"),
        (
            {"services": [{"status": "INACTIVE"}]},
            "the service api in the cluster Main is INACTIVE: it was deleted",
        ),
        (refusal("ClusterNotFoundException"), "there is no cluster Main in 123456789012/us-west-2"),
        (refusal("ServiceNotFoundException"), "there is no service api in the cluster Main"),
    ],
)
async def test_a_service_that_is_not_there(answer: Any, why: str) -> None:
    assert await ecs.find_service(ScriptedAws(describe_services=answer), TARGET) == Missing(why)


@pytest.mark.parametrize(
    ("answer", "code", "temporary"),
    [
        (refusal("AccessDeniedException"), "AccessDeniedException", False),
        (refusal("ThrottlingException"), "ThrottlingException", True),
        ({"services": [], "failures": [{"reason": "ACCESS_DENIED"}]}, "ACCESS_DENIED", False),
        ({"services": [], "failures": [{"reason": "MISSING"}, {"reason": "Throttling"}]}, "Throttling", True),
        ({"services": [], "failures": [{}]}, "unknown", False),
        ({"services": [], "failures": []}, "EmptyAnswer", True),
        ({}, "EmptyAnswer", True),
    ],
)
async def test_whatever_else_ecs_says_does_not_mean_that_it_is_not_there(
    answer: Any, code: str, temporary: bool
) -> None:
    with pytest.raises(AwsError) as raised:
        await ecs.find_service(ScriptedAws(describe_services=answer), TARGET)
    assert (raised.value.code, raised.value.temporary) == (code, temporary)
    assert "secret" not in str(raised.value)


def test_a_service_of_which_nothing_is_told() -> None:
    service = EcsService({"serviceName": "api", "desiredCount": 2, "runningCount": 0})
    assert (service.desired, service.running, service.pending) == (2, 0, 0)
    assert (service.deployments, service.primary, service.events, service.target_groups) == ((), None, (), ())
    assert (service.created_at, service.task_definition, service.current_deployment) == (None, None, None)
    assert (service.capacity_providers, service.on_fargate, service.alarm_names) == (frozenset(), False, frozenset())
    assert (service.security_groups, service.subnets, service.current_revisions) == ((), (), ())
    assert service.being_deleted is None


@pytest.mark.parametrize("key", ["desiredCount", "runningCount"])
def test_counts_that_are_not_told_are_not_zero(key: str) -> None:
    service = EcsService({"serviceName": "api", "desiredCount": 1, "runningCount": 1} | {key: None})
    with pytest.raises(AwsError, match=f"did not say {key} of the service api"):
        _ = service.desired, service.running


def test_target_groups_are_named_once_each_and_classic_load_balancers_have_none() -> None:
    balancers = [{"targetGroupArn": "b"}, {"loadBalancerName": "classic"}, {"targetGroupArn": "a"}]
    service = EcsService({"loadBalancers": [*balancers, {"targetGroupArn": "b"}]})
    assert service.target_groups == ("b", "a")


@pytest.mark.parametrize(
    ("alarms", "names"),
    [
        ({"alarmNames": ["one"], "enable": True}, {"one"}),
        ({"alarmNames": ["one"], "enable": False}, set()),
        ({"enable": True}, set()),
        (None, set()),
    ],
)
def test_the_alarms_that_ecs_watches(alarms: Any, names: set[str]) -> None:
    assert EcsService({"deploymentConfiguration": {"alarms": alarms}}).alarm_names == names


@pytest.mark.parametrize("file", sorted((DATA / "services").iterdir()), ids=lambda file: file.stem)
def test_services_as_people_write_them_can_be_read(file: Path) -> None:
    said = json.loads(file.read_text())
    body = said["services"][0] if said.get("services") else said
    service = EcsService({"desiredCount": 0, "runningCount": 0, **body})
    assert service.desired >= service.running >= 0
    assert all(service.target_groups)
    assert service.on_fargate == (
        body.get("launchType") == "FARGATE"
        or any(str(one["capacityProvider"]).startswith("FARGATE") for one in body.get("capacityProviderStrategy") or ())
    )
    network = (body.get("networkConfiguration") or {}).get("awsvpcConfiguration") or {}
    assert list(service.subnets) == network.get("subnets", [])
    assert (service.created_at is None) == ("createdAt" not in body)
    assert len(service.deployments) == len(body.get("deployments") or ())
    assert all(deployment.created_at for deployment in service.deployments)
    assert all(event.created_at and event.message for event in service.events)
    assert service.being_deleted is None


@pytest.mark.parametrize("file", sorted((DATA / "valid").glob("*.json")), ids=lambda file: file.stem)
def test_task_definitions_as_people_write_them_can_be_read(file: Path) -> None:
    said = json.loads(file.read_text())
    body = {"containerDefinitions": said} if isinstance(said, list) else said.get("taskDefinition", said)
    definition = EcsTaskDefinition(body)
    assert list(definition.images) == [one.get("name", "") for one in body["containerDefinitions"]]
    assert (definition.cpu is None) == (not body.get("cpu"))
    assert (definition.memory is None) == (not body.get("memory"))
    assert definition.operating_system
    assert definition.architecture in {"X86_64", "ARM64"}
    assert (definition.registered_at is None) == ("registeredAt" not in body)
    secret = [pair.get("value", "") for one in body["containerDefinitions"] for pair in one.get("environment") or ()]
    assert not [value for value in secret if len(value) > 8 and value in repr(definition)]


@pytest.mark.parametrize(
    ("cpu", "memory", "size"),
    [
        ("512", "1024", (512, 1024)),
        (".5 vCPU", "1 GB", (512, 1024)),
        ("1vcpu", "0.5GB", (1024, 512)),
        (None, None, (None, None)),
        ("a lot", "1 vCPU", (None, None)),
    ],
)
def test_a_size_stands_at_the_task_or_nowhere(cpu: Any, memory: Any, size: tuple[int | None, int | None]) -> None:
    definition = EcsTaskDefinition({"cpu": cpu, "memory": memory, "containerDefinitions": [{"cpu": 10, "memory": 9}]})
    assert (definition.cpu, definition.memory) == size


@pytest.mark.parametrize("told", [NOON, NOON.isoformat(), "2025-11-24T12:00:00Z", NOON.timestamp()])
def test_a_time_is_the_same_however_it_was_kept(told: Any) -> None:
    assert EcsService({"createdAt": told}).created_at == NOON.timestamp()
    assert EcsService({"createdAt": "yesterday"}).created_at is None


async def test_a_task_definition_is_looked_up_with_its_tags_where_they_are_wanted() -> None:
    answer = {"taskDefinition": {"taskDefinitionArn": "arn:api:7", "status": "ACTIVE"}, "tags": [{"key": "team"}]}
    aws = ScriptedAws(describe_task_definition=answer)
    found = await ecs.find_task_definition(aws, TARGET, "api:7", tags=True)
    assert isinstance(found, EcsTaskDefinition)
    assert (found.arn, found.active, found.body["tags"]) == ("arn:api:7", True, [{"key": "team"}])
    assert aws.asked["describe_task_definition"] == {"taskDefinition": "api:7", "include": ["TAGS"]}
    without = await ecs.find_task_definition(aws, TARGET, "api:7")
    assert isinstance(without, EcsTaskDefinition)
    assert "tags" not in without.body


@pytest.mark.parametrize("code", ["ClientException", "InvalidParameterException"])
async def test_a_task_definition_that_is_not_there(code: str) -> None:
    aws = ScriptedAws(describe_task_definition=refusal(code))
    assert await ecs.find_task_definition(aws, TARGET, "api:9") == Missing("there is no task definition api:9")
    aws = ScriptedAws(describe_task_definition=refusal("ServerException", status=500))
    with pytest.raises(AwsError, match="ServerException"):
        await ecs.find_task_definition(aws, TARGET, "api:9")


async def test_stopped_tasks_come_oldest_first_and_a_hundred_at_most() -> None:
    def described(parameters: dict[str, Any]) -> Any:
        assert len(parameters["tasks"]) == 100
        tasks = [{"taskArn": f"task/{hour}", "stoppedAt": NOON.replace(hour=hour)} for hour in (3, 1)]
        return {"tasks": [*tasks, {"taskArn": "task/still-stopping"}]}

    aws = ScriptedAws(list_tasks={"taskArns": [str(number) for number in range(130)]}, describe_tasks=described)
    assert [task.arn for task in await ecs.stopped_tasks(aws, TARGET)] == ["task/1", "task/3"]
    assert aws.asked["list_tasks"]["desiredStatus"] == "STOPPED"


async def test_no_task_is_described_where_none_is_listed() -> None:
    aws = ScriptedAws(list_tasks={"taskArns": []})
    assert await ecs.stopped_tasks(aws, TARGET) == ()


def test_a_task_that_found_no_place_has_neither_containers_nor_times() -> None:
    task = EcsTask({"taskArn": "task/1", "stopCode": "TaskFailedToStart", "stoppedReason": "no capacity"})
    assert (task.containers, task.started_at, task.stopped_at) == ((), None, None)
    assert (task.stop_code, task.reason, task.deployment_id) == ("TaskFailedToStart", "no capacity", "")


@pytest.mark.parametrize(
    ("code", "reason", "started", "failed", "by_itself"),
    [
        ("TaskFailedToStart", "no capacity", False, True, False),
        ("EssentialContainerExited", "Essential container in task exited", True, True, True),
        ("ServiceSchedulerInitiated", "Task failed ELB health checks in (target-group g)", True, True, True),
        ("ServiceSchedulerInitiated", "Scaling activity initiated by deployment ecs-svc/2", True, False, False),
        ("UserInitiated", "Task stopped by user", True, False, False),
        ("SpotInterruption", "Your Spot Task was interrupted.", True, False, False),
    ],
)
def test_a_task_has_failed_unless_it_was_replaced_or_taken_away(
    code: str, reason: str, started: bool, failed: bool, by_itself: bool
) -> None:
    task = EcsTask({"stopCode": code, "stoppedReason": reason, **({"startedAt": NOON} if started else {})})
    assert (task.failed, task.ended_by_itself) == (failed, by_itself)


async def test_service_deployments_come_newest_first() -> None:
    described = [{"status": "SUCCESSFUL", "createdAt": NOON.replace(hour=hour)} for hour in (1, 3)]
    aws = ScriptedAws(
        list_service_deployments={"serviceDeployments": [{"serviceDeploymentArn": "one"}]},
        describe_service_deployments={"serviceDeployments": [*described, {"status": "PENDING"}]},
    )
    found = await ecs.service_deployments(aws, TARGET, NOON.timestamp())
    assert [one.created_at and datetime.fromtimestamp(one.created_at, UTC).hour for one in found] == [3, 1, None]
    asked = aws.asked["list_service_deployments"]
    assert (asked["cluster"], asked["service"], asked["createdAt"]) == ("Main", "api", {"after": NOON})
    nothing = ScriptedAws(list_service_deployments={"serviceDeployments": []})
    assert await ecs.service_deployments(nothing, TARGET, 0) == ()


async def test_digests_come_from_the_revision_and_where_that_is_silent_from_tasks() -> None:
    def container(name: str, digest: str | None) -> dict[str, Any]:
        return {"name": name, "imageDigest": digest}

    tasks = [
        {"taskDefinitionArn": "new", "containers": [container("web", "of-task"), container("side", "of-task")]},
        {"taskDefinitionArn": "old", "containers": [container("web", "old")]},
        {"taskDefinitionArn": "new"},
    ]
    images = [{"containerName": "web", "imageDigest": "of-revision"}, {"containerName": "side"}]
    aws = ScriptedAws(
        list_tasks={"taskArns": ["task/1"]},
        describe_tasks={"tasks": tasks},
        describe_service_revisions={
            "serviceRevisions": [
                {"taskDefinition": "new", "containerImages": images},
                {"taskDefinition": "old", "containerImages": [{"containerName": "side", "imageDigest": "old"}]},
                {"taskDefinition": "new"},
            ]
        },
    )
    primary = {"id": "1", "status": "PRIMARY", "taskDefinition": "new"}
    service = EcsService({"deployments": [primary], "currentServiceRevisions": [{"arn": "revision"}]})
    assert await ecs.image_digests(aws, TARGET, service) == {"web": "of-revision", "side": "of-task"}
    assert await ecs.image_digests(ScriptedAws(), TARGET, EcsService({})) == {}


async def test_digests_are_read_from_the_revision_or_from_the_tasks_whichever_may_be_read() -> None:
    primary = {"id": "1", "status": "PRIMARY", "taskDefinition": "new"}
    service = EcsService({"deployments": [primary], "currentServiceRevisions": [{"arn": "revision"}]})
    denied = refusal("AccessDeniedException")
    image = {"containerName": "web", "imageDigest": "of-revision"}
    container = {"name": "web", "imageDigest": "of-task"}
    revisions = {"serviceRevisions": [{"taskDefinition": "new", "containerImages": [image]}]}
    tasks = {"tasks": [{"taskDefinitionArn": "new", "containers": [container]}]}
    only_revisions = ScriptedAws(list_tasks=denied, describe_service_revisions=revisions)
    assert await ecs.image_digests(only_revisions, TARGET, service) == {"web": "of-revision"}
    listed = {"taskArns": ["task"]}
    only_tasks = ScriptedAws(list_tasks=listed, describe_tasks=tasks, describe_service_revisions=denied)
    assert await ecs.image_digests(only_tasks, TARGET, service) == {"web": "of-task"}
    with pytest.raises(AwsError):
        await ecs.image_digests(ScriptedAws(list_tasks=denied, describe_service_revisions=denied), TARGET, service)
