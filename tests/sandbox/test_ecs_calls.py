"""What the simulated ECS answers and refuses, in ECS's words."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sandbox.aws.ecs.deployments import breaker_threshold, retry_delay
from sandbox.aws.server import SimulatedAws
from sandbox.aws.server.seed import CLUSTER, SERVICE
from sandbox.scenarios.behaviour import RUNNING_TAG

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient

START = 1_764_000_000.0
SESSION = boto3.Session("testing", "testing", region_name="us-west-2")
CONFIG = Config(connect_timeout=5, read_timeout=10, retries={"max_attempts": 1})


@pytest.fixture(scope="module")
def aws() -> Iterator[SimulatedAws]:
    with SimulatedAws(clock=lambda: START) as aws:
        yield aws


@pytest.fixture(scope="module")
def ecs(aws: SimulatedAws) -> "ECSClient":
    return SESSION.client("ecs", endpoint_url=aws.endpoint, config=CONFIG)


def refusal(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, str]:
    return error.value.response["Error"]["Code"], error.value.response["Error"]["Message"]


def definition(aws: SimulatedAws, **changes: Any) -> Any:
    base = {
        "family": "other",
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "cpu": "256",
        "memory": "512",
        "containerDefinitions": [{"name": "backend", "image": f"{aws.world.registry.uri}:{RUNNING_TAG}"}],
    }
    return {**base, **changes}


@pytest.mark.parametrize(("cpu", "memory"), [("256", "4096"), ("300", "512"), ("8192", "17408"), ("512", "1 TB")])
def test_fargate_refuses_sizes_that_it_has_not(aws: SimulatedAws, ecs: "ECSClient", cpu: str, memory: str) -> None:
    with pytest.raises(ClientError) as error:
        ecs.register_task_definition(**definition(aws, cpu=cpu, memory=memory))
    code, message = refusal(error)
    assert code == "ClientException"
    assert message.startswith("No Fargate configuration exists for given values")


@pytest.mark.parametrize(
    ("cpu", "memory"), [("256", "2048"), (".5 vCPU", "4 GB"), ("8192", "61440"), ("16384", "32768")]
)
def test_fargate_takes_the_sizes_that_it_has(aws: SimulatedAws, ecs: "ECSClient", cpu: str, memory: str) -> None:
    answer = ecs.register_task_definition(**definition(aws, family="sizes", cpu=cpu, memory=memory))
    assert answer["taskDefinition"]["status"] == "ACTIVE"


def test_an_inactive_task_definition_is_described_and_refused(aws: SimulatedAws, ecs: "ECSClient") -> None:
    arn = ecs.register_task_definition(**definition(aws, family="gone"))["taskDefinition"]["taskDefinitionArn"]
    ecs.deregister_task_definition(taskDefinition=arn)
    assert ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]["status"] == "INACTIVE"
    with pytest.raises(ClientError) as error:
        ecs.update_service(cluster=CLUSTER, service=SERVICE, taskDefinition=arn)
    assert refusal(error) == ("ClientException", "TaskDefinition is inactive")


def test_what_is_unknown_is_told_as_ecs_tells_it(ecs: "ECSClient") -> None:
    with pytest.raises(ecs.exceptions.ClusterNotFoundException):
        ecs.describe_services(cluster="nowhere", services=[SERVICE])
    failures = ecs.describe_services(cluster=CLUSTER, services=[SERVICE, "nobody"])["failures"]
    assert [(one["arn"].rsplit("/", 1)[-1], one["reason"]) for one in failures] == [("nobody", "MISSING")]
    with pytest.raises(ecs.exceptions.ServiceNotFoundException):
        ecs.update_service(cluster=CLUSTER, service="nobody", desiredCount=1)
    with pytest.raises(ClientError) as error:
        ecs.update_service(cluster=CLUSTER, service=SERVICE, taskDefinition="court-case-backend:99")
    assert refusal(error) == ("ClientException", "TaskDefinition not found.")
    assert ecs.describe_tasks(cluster=CLUSTER, tasks=["0" * 32])["failures"][0]["reason"] == "MISSING"
    with pytest.raises(ecs.exceptions.ServiceDeploymentNotFoundException):
        ecs.stop_service_deployment(serviceDeploymentArn="arn:aws:ecs:us-west-2:123456789012:service-deployment/a/b/c")


def test_the_deployment_configuration_is_kept_and_checked(ecs: "ECSClient") -> None:
    ecs.update_service(cluster=CLUSTER, service=SERVICE, deploymentConfiguration={"minimumHealthyPercent": 50})
    kept = ecs.describe_services(cluster=CLUSTER, services=[SERVICE])["services"][0]["deploymentConfiguration"]
    assert (kept["minimumHealthyPercent"], kept["maximumPercent"]) == (50, 200)
    with pytest.raises(ClientError, match="cannot be 100"):
        ecs.update_service(
            cluster=CLUSTER,
            service=SERVICE,
            deploymentConfiguration={"minimumHealthyPercent": 100, "maximumPercent": 100},
        )
    ecs.update_service(cluster=CLUSTER, service=SERVICE, deploymentConfiguration={"minimumHealthyPercent": 100})


def test_a_revision_names_the_digest_that_runs(aws: SimulatedAws, ecs: "ECSClient") -> None:
    service = ecs.describe_services(cluster=CLUSTER, services=[SERVICE])["services"][0]
    arn = service["currentServiceRevisions"][0]["arn"]
    found = ecs.describe_service_revisions(serviceRevisionArns=[arn, arn + "0"])
    image = found["serviceRevisions"][0]["containerImages"][0]
    assert image["imageDigest"] == aws.world.registry.tags[RUNNING_TAG]
    assert found["failures"][0]["reason"] == "MISSING"
    tasks = ecs.list_tasks(cluster=CLUSTER, serviceName=SERVICE, startedBy=service["deployments"][0]["id"])["taskArns"]
    described = ecs.describe_tasks(cluster=CLUSTER, tasks=tasks)["tasks"]
    assert {task["containers"][0]["imageDigest"] for task in described} == {image["imageDigest"]}
    assert ecs.list_tasks(cluster=CLUSTER, serviceName=SERVICE, startedBy="somebody")["taskArns"] == []


def test_service_deployments_come_in_pages(ecs: "ECSClient") -> None:
    for _ in range(3):
        ecs.update_service(cluster=CLUSTER, service=SERVICE, forceNewDeployment=True)
    everything = ecs.list_service_deployments(cluster=CLUSTER, service=SERVICE)["serviceDeployments"]
    pages: list[str] = []
    more: dict[str, Any] = {}
    while True:
        answer = ecs.list_service_deployments(cluster=CLUSTER, service=SERVICE, maxResults=3, **more)
        pages += [one["serviceDeploymentArn"] for one in answer["serviceDeployments"]]
        if "nextToken" not in answer:
            break
        more = {"nextToken": answer["nextToken"]}
    assert len(pages) >= 4
    assert pages == [one["serviceDeploymentArn"] for one in everything]


def network(ecs: "ECSClient") -> Any:
    return ecs.describe_services(cluster=CLUSTER, services=[SERVICE])["services"][0]["networkConfiguration"]


@pytest.mark.parametrize(("tag", "code"), [("healthy", 0), ("database-failure", 1), ("crash-loop", 1)])
def test_a_one_off_command_ends_as_its_image_would(aws: SimulatedAws, ecs: "ECSClient", tag: str, code: int) -> None:
    containers = [{"name": "backend", "image": f"{aws.world.registry.uri}:{tag}"}]
    registered = ecs.register_task_definition(**definition(aws, family=tag, containerDefinitions=containers))
    wish: Any = {
        "cluster": CLUSTER,
        "taskDefinition": registered["taskDefinition"]["taskDefinitionArn"],
        "launchType": "FARGATE",
        "networkConfiguration": network(ecs),
        "startedBy": "migration",
        "clientToken": f"once-{tag}",
        "overrides": {"containerOverrides": [{"name": "backend", "command": ["alembic", "upgrade", "head"]}]},
    }
    arn = ecs.run_task(**wish)["tasks"][0]["taskArn"]
    assert ecs.run_task(**wish)["tasks"][0]["taskArn"] == arn, "the client token makes it one task"
    aws.step(60)
    task = ecs.describe_tasks(cluster=CLUSTER, tasks=[arn])["tasks"][0]
    assert (task["lastStatus"], task["containers"][0]["exitCode"]) == ("STOPPED", code)


def test_a_stopped_task_is_replaced(aws: SimulatedAws, ecs: "ECSClient") -> None:
    aws.step(600)
    arns = ecs.list_tasks(cluster=CLUSTER, serviceName=SERVICE)["taskArns"]
    stopping = ecs.stop_task(cluster=CLUSTER, task=arns[0], reason="looking")["task"]
    assert (stopping["stopCode"], stopping["stoppedReason"]) == ("UserInitiated", "looking")
    aws.step(120)
    now = ecs.list_tasks(cluster=CLUSTER, serviceName=SERVICE)["taskArns"]
    assert len(now) == 3
    assert arns[0] not in now


def test_stopped_tasks_are_forgotten_after_an_hour(aws: SimulatedAws, ecs: "ECSClient") -> None:
    arn = ecs.list_tasks(cluster=CLUSTER, serviceName=SERVICE)["taskArns"][0]
    ecs.stop_task(cluster=CLUSTER, task=arn)
    aws.step(300)
    assert arn in ecs.list_tasks(cluster=CLUSTER, serviceName=SERVICE, desiredStatus="STOPPED")["taskArns"]
    aws.step(3700)
    ecs.update_service(cluster=CLUSTER, service=SERVICE, desiredCount=3)
    aws.step(60)
    assert arn not in ecs.list_tasks(cluster=CLUSTER, serviceName=SERVICE, desiredStatus="STOPPED")["taskArns"]


def test_a_service_can_be_created_and_deleted(aws: SimulatedAws, ecs: "ECSClient") -> None:
    arn = ecs.register_task_definition(**definition(aws, family="worker"))["taskDefinition"]["taskDefinitionArn"]
    ecs.create_service(
        cluster=CLUSTER, serviceName="Worker", taskDefinition=arn, desiredCount=1,
        launchType="FARGATE", networkConfiguration=network(ecs),
    )  # fmt: skip
    aws.step(30)
    state = ecs.describe_services(cluster=CLUSTER, services=["Worker"])["services"][0]
    assert (state["runningCount"], state["deployments"][0]["rolloutState"]) == (1, "COMPLETED")
    with pytest.raises(ClientError, match="scaled above 0"):
        ecs.delete_service(cluster=CLUSTER, service="Worker")
    ecs.delete_service(cluster=CLUSTER, service="Worker", force=True)
    assert ecs.describe_services(cluster=CLUSTER, services=["Worker"])["services"][0]["status"] == "DRAINING"
    aws.step(60)
    assert ecs.describe_services(cluster=CLUSTER, services=["Worker"])["services"][0]["status"] == "INACTIVE"
    with pytest.raises(ecs.exceptions.ServiceNotActiveException):
        ecs.update_service(cluster=CLUSTER, service="Worker", desiredCount=1)


def test_tags_come_only_when_asked_for(ecs: "ECSClient") -> None:
    arn = ecs.describe_services(cluster=CLUSTER, services=[SERVICE])["services"][0]["serviceArn"]
    ecs.tag_resource(resourceArn=arn, tags=[{"key": "owner", "value": "clerks"}])
    assert {"key": "owner", "value": "clerks"} in ecs.list_tags_for_resource(resourceArn=arn)["tags"]
    plain = ecs.describe_services(cluster=CLUSTER, services=[SERVICE])["services"][0]
    tagged = ecs.describe_services(cluster=CLUSTER, services=[SERVICE], include=["TAGS"])["services"][0]
    assert "tags" not in plain
    assert {"key": "application", "value": "court-case"} in tagged["tags"]


def test_what_is_not_simulated_is_refused_at_once(aws: SimulatedAws, ecs: "ECSClient") -> None:
    with pytest.raises(ClientError) as error:
        ecs.list_container_instances(cluster=CLUSTER)
    assert refusal(error)[0] == "UnsupportedFeatureException"
    elsewhere = boto3.Session("testing", "testing", region_name="eu-west-1").client(
        "ecs", endpoint_url=aws.endpoint, config=CONFIG
    )
    with pytest.raises(ClientError, match="us-west-2 only"):
        elsewhere.list_clusters()


@pytest.mark.parametrize(("desired", "failures"), [(1, 3), (6, 3), (7, 4), (25, 13), (400, 200), (800, 200)])
def test_the_threshold_of_the_circuit_breaker(desired: int, failures: int) -> None:
    assert breaker_threshold(desired) == failures


@pytest.mark.parametrize(
    ("kind", "value", "desired", "failures"),
    [
        ("COUNT", 1, 100, 1),
        ("COUNT", 500, 2, 500),
        ("BOUNDED_PERCENT", 10, 10, 3),
        ("BOUNDED_PERCENT", 100, 1000, 200),
        ("BOUNDED_PERCENT", 30, 21, 7),
        ("UNBOUNDED_PERCENT", 10, 10, 1),
        ("UNBOUNDED_PERCENT", 100, 1000, 1000),
        ("UNBOUNDED_PERCENT", 30, 21, 7),
    ],
)
def test_the_threshold_can_be_tuned(kind: str, value: int, desired: int, failures: int) -> None:
    tuned = {"enable": True, "thresholdConfiguration": {"type": kind, "value": value}}
    assert breaker_threshold(desired, tuned) == failures


def test_ecs_waits_longer_each_time_up_to_27_minutes() -> None:
    delays = [retry_delay(times) for times in range(1, 12)]
    assert delays == sorted(delays)
    assert (delays[0], delays[-1]) == (10.0, 27 * 60.0)
