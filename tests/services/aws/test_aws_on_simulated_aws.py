"""The kit against the simulated AWS: a service that lives, is deleted, and is gone."""

from collections.abc import Iterator

import boto3
import pytest

from contracts.base import Target
from sandbox.aws.accounts import ACCOUNT, REGION
from sandbox.aws.server import SimulatedAws
from sandbox.aws.server.seed import CLUSTER, CONTAINER, SERVICE
from services._aws import ecs
from services._aws.cloudwatch import Metric, read_series
from services._aws.ecs_views import EcsService
from services._aws.errors import AwsError, Missing
from services._aws.load_balancers import find_counted, find_reach, target_health
from services._aws.task_definition import EcsTaskDefinition
from services._chassis.aws import Aws
from services._chassis.aws_connection import AwsConnection
from services._chassis.web import Address

START = 1_764_000_000.0
TARGET = Target(account=ACCOUNT, region=REGION, cluster=CLUSTER, service=SERVICE)


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedAws]:
    with SimulatedAws(clock=lambda: START) as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL", aws.endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        aws.step(600)
        yield aws


@pytest.fixture
def ours(account: SimulatedAws) -> Iterator[Aws]:
    connection = AwsConnection(REGION)
    yield Aws(connection, "test")
    connection.close()


async def found(ours: Aws) -> EcsService:
    service = await ecs.find_service(ours, TARGET, tags=True)
    assert isinstance(service, EcsService)
    return service


async def test_a_steady_service(account: SimulatedAws, ours: Aws) -> None:
    service = await found(ours)
    assert (service.status, service.desired, service.running, service.being_deleted) == ("ACTIVE", 3, 3, None)
    assert service.primary is not None
    assert (service.primary.rollout_state, service.rolling_out, service.on_fargate) == ("COMPLETED", False, True)
    assert service.created_at is not None
    assert service.created_at <= START
    definition = await ecs.find_task_definition(ours, TARGET, service.primary.task_definition)
    assert isinstance(definition, EcsTaskDefinition)
    assert (definition.cpu, definition.memory, list(definition.images)) == (512, 1024, [CONTAINER])
    digests = await ecs.image_digests(ours, TARGET, service)
    assert digests == {CONTAINER: account.world.registry.tags["1.0"]}
    assert [one.arn for one in await ecs.newest_revisions(ours, TARGET, definition.family, 10)] == [definition.arn]
    running = await ecs.list_tasks(ours, TARGET, "RUNNING")
    assert len(running) == 3
    assert all(task.started_at is not None for task in running)


async def test_where_its_users_reach_it_and_what_is_measured_there(ours: Aws) -> None:
    service = await found(ours)
    reach = await find_reach(ours, TARGET, service.target_groups)
    address = reach.to("/health")
    assert isinstance(address, Address)
    assert (address.url.partition(":")[0], address.host, address.internal) == ("http", None, "")
    (counted,) = await find_counted(ours, TARGET, service.target_groups)
    assert reach.counted() == (counted,)
    health = await target_health(ours, TARGET, service.target_groups)
    assert [one.state for one in health] == ["healthy"] * 3
    requests = Metric(
        "requests",
        "AWS/ApplicationELB",
        "RequestCount",
        "Sum",
        {"TargetGroup": counted.target_group, "LoadBalancer": counted.load_balancer},
    )
    series = await read_series(ours, TARGET, [requests], START, START + 600)
    assert len(series["requests"]) >= 5
    assert all(count > 0 for count in series["requests"].values())


async def test_a_service_is_there_until_its_last_task_has_stopped(account: SimulatedAws, ours: Aws) -> None:
    console = boto3.client("ecs", region_name=REGION)
    console.delete_service(cluster=CLUSTER, service=SERVICE, force=True)
    service = await found(ours)
    assert (service.status, service.desired) == ("DRAINING", 0)
    assert service.being_deleted == f"the service {SERVICE} is DRAINING: it is being deleted, and takes no deployment"
    assert len(await target_health(ours, TARGET, service.target_groups)) == 3
    account.step(600)
    gone = await ecs.find_service(ours, TARGET)
    assert gone == Missing(f"the service {SERVICE} in the cluster {CLUSTER} is INACTIVE: it was deleted")
    assert len(await ecs.stopped_tasks(ours, TARGET)) == 3


async def test_what_was_never_there(ours: Aws) -> None:
    nobody = TARGET.model_copy(update={"service": "Nobody"})
    nowhere = TARGET.model_copy(update={"cluster": "Nowhere"})
    assert await ecs.find_service(ours, nobody) == Missing(f"there is no service Nobody in the cluster {CLUSTER}")
    assert await ecs.find_service(ours, nowhere) == Missing(f"there is no cluster Nowhere in {ACCOUNT}/{REGION}")
    assert await ecs.find_task_definition(ours, TARGET, "court-case-backend:99") == Missing(
        "there is no task definition court-case-backend:99"
    )
    with pytest.raises(AwsError, match="DescribeTargetHealth"):
        await target_health(ours, TARGET, ["arn:aws:elasticloadbalancing:us-west-2:123456789012:targetgroup/none/1"])
