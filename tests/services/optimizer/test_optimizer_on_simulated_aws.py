"""The optimizer as it is wired, against the simulated AWS and a day of its history."""

from collections.abc import Iterator
from typing import Any, cast

import boto3
import pytest
from botocore.config import Config

from contracts.base import Target
from contracts.gates import Verdict
from contracts.optimizer import AnalyzeResources, FargateSize, RecommendationMade
from contracts.results import StepFinished
from sandbox.aws.accounts import ACCOUNT, REGION
from sandbox.aws.server import SimulatedAws
from sandbox.aws.server.seed import CLUSTER, SERVICE
from services._chassis.aws import Aws
from services._chassis.aws_connection import AwsConnection
from services._chassis.service import Platform
from services._chassis.store import IndexedStore
from services.optimizer.adapters.ecs import AwsEcs
from services.optimizer.app import create_app
from services.optimizer.jobs.analyze import ANALYZE
from services.optimizer.ports import NotSizable
from services.optimizer.settings import Settings
from tests.kit import FakeRunning, WorldClock

START = 1_764_000_000.0
TARGET = Target(account=ACCOUNT, region=REGION, cluster=CLUSTER, service=SERVICE)


class Account:
    def __init__(self, aws: SimulatedAws, connection: AwsConnection) -> None:
        self.aws = aws
        ours = Aws(connection, "optimizer")
        self.services = AwsEcs(ours)
        self.optimizer = create_app(
            Settings(aws_account=ACCOUNT), Platform(cast("IndexedStore", None), WorldClock(aws), ours)
        )
        session = boto3.Session("testing", "testing", region_name=REGION)
        config = Config(connect_timeout=5, read_timeout=10, retries={"max_attempts": 1})
        self.ecs: Any = session.client("ecs", endpoint_url=aws.endpoint, config=config)

    def deploy(self, **size: str) -> None:
        """Roll a new revision of this size out, and let ten minutes pass."""
        old = self.ecs.describe_task_definition(taskDefinition="court-case-backend")["taskDefinition"]
        kept = ("family", "networkMode", "requiresCompatibilities", "executionRoleArn", "containerDefinitions")
        answer = self.ecs.register_task_definition(**{key: old[key] for key in kept}, **size)
        arn = answer["taskDefinition"]["taskDefinitionArn"]
        self.ecs.update_service(cluster=CLUSTER, service=SERVICE, taskDefinition=arn)
        self.aws.step(600)

    async def analyze(self) -> list[Any]:
        command = AnalyzeResources(target=TARGET, run_id="run-1")
        running = FakeRunning(command.model_dump_json().encode(), kind=ANALYZE)
        transition = await self.optimizer.jobs[ANALYZE](running)
        return [emission.event for emission in transition.decide(None).emit]


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    with SimulatedAws(clock=lambda: START, history_days=1) as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL", aws.endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        connection = AwsConnection(REGION)
        yield Account(aws, connection)
        connection.close()


async def test_a_day_of_a_healthy_service_is_analysed(account: Account) -> None:
    made, finished = await account.analyze()
    assert isinstance(made, RecommendationMade)
    assert isinstance(finished, StepFinished)
    assert finished.verdict is Verdict.PASS, finished.summary
    assert made.confidence == 95
    assert made.current == FargateSize(cpu=512, memory=1024)
    # its processor is tracked by automatic scaling, and half a vCPU comes with no less than a gigabyte
    assert (made.kind, made.recommended) == ("keep", made.current)
    assert "automatic scaling tracks CPU" in made.reason


async def test_a_new_size_is_not_judged_by_what_was_measured_at_the_old_one(account: Account) -> None:
    account.deploy(cpu="1024", memory="4096")
    (finished,) = await account.analyze()
    assert finished.verdict is Verdict.INCONCLUSIVE
    assert "the size may have changed" in finished.summary
    # nor is the next deployment, of the same size
    account.deploy(cpu="1024", memory="4096")
    (finished,) = await account.analyze()
    assert finished.verdict is Verdict.INCONCLUSIVE


async def test_a_new_deployment_of_the_same_size_is_judged_by_the_whole_day(account: Account) -> None:
    account.deploy(cpu="512", memory="1024")
    account.deploy(cpu="512", memory="1024")
    _, finished = await account.analyze()
    assert finished.verdict is Verdict.PASS


async def test_what_is_not_there_cannot_be_sized(account: Account) -> None:
    with pytest.raises(NotSizable, match="no service other"):
        await account.services.deployed(TARGET.model_copy(update={"service": "other"}), 0)
    with pytest.raises(NotSizable, match="no cluster"):
        await account.services.deployed(TARGET.model_copy(update={"cluster": "other"}), 0)
