"""Health as it is wired, over deployments of the simulated AWS in virtual time."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

import boto3
import pytest

from contracts.base import Target
from contracts.deployment import Cause
from contracts.gates import Verdict
from contracts.health import AssessHealth, HealthScored, WatchDeployment
from contracts.policy import Application, ServicePolicy
from contracts.results import StepFinished, StepProgressed
from sandbox.aws.accounts import ACCOUNT, REGION
from sandbox.aws.server import SimulatedAws
from sandbox.aws.server.seed import CLUSTER, HEADER_VALUE, SERVICE
from sandbox.aws.workloads import COURT
from services._chassis.aws import Aws
from services._chassis.aws_connection import AwsConnection
from services._chassis.clock import moment
from services._chassis.service import Platform, Service
from services._chassis.store import IndexedStore
from services.health.app import create_app
from services.health.settings import Settings
from tests.kit import FakePolicies, FakeRunning, WorldClock
from tests.services.health.harness import META, NOW, Decided

TARGET = Target(account=ACCOUNT, region=REGION, cluster=CLUSTER, service=SERVICE)
BREAKER = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedAws]:
    with SimulatedAws(clock=lambda: NOW) as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL", aws.endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        aws.step(420)
        yield aws


@pytest.fixture
def policies() -> FakePolicies:
    return FakePolicies()


@pytest.fixture
async def health(account: SimulatedAws, policies: FakePolicies) -> AsyncIterator[Service]:
    connection = AwsConnection(REGION)
    aws = Aws(connection, "health")
    platform = Platform(cast("IndexedStore", None), WorldClock(account), aws, policies=policies)
    service = create_app(Settings(aws_account=ACCOUNT), platform)
    yield service
    for close in service.closers:
        await close()
    connection.close()


def deploy(tag: str, **more: Any) -> str:
    """Roll out an image of the sandbox's repository; the new deployment's id."""
    ecs = boto3.client("ecs", region_name=REGION)
    old: Any = ecs.describe_task_definition(taskDefinition="court-case-backend")["taskDefinition"]
    (container,) = old["containerDefinitions"]
    kept = ("family", "cpu", "memory", "networkMode", "requiresCompatibilities", "executionRoleArn")
    body: Any = {key: old[key] for key in kept}
    container["image"] = f"{container['image'].partition(':')[0]}:{tag}"
    new = ecs.register_task_definition(**body, containerDefinitions=[container])["taskDefinition"]
    answer = ecs.update_service(cluster=CLUSTER, service=SERVICE, taskDefinition=new["taskDefinitionArn"], **more)
    return answer["service"]["deployments"][0]["id"]


async def watch(health: Service, account: SimulatedAws, deployment: str | None) -> tuple[StepFinished, list[str]]:
    """Return the answer and the messages on the way there."""
    store = Decided()
    deadline = moment(account.now() + 600)
    command = WatchDeployment(target=TARGET, run_id="run-1", deployment_id=deployment, deadline=deadline)
    begun = await store.apply(await health.handlers[WatchDeployment](command, META))
    running = FakeRunning(begun.jobs[0].payload, id=begun.jobs[0].id)
    (emission,) = (await store.apply(await health.jobs["watch"](running))).emit
    assert isinstance(emission.event, StepFinished)
    published = [emission.event.message for emission in running.emitted if isinstance(emission.event, StepProgressed)]
    return emission.event, published


async def assess(health: Service) -> StepFinished:
    running = FakeRunning(AssessHealth(target=TARGET, run_id="run-1").model_dump_json().encode(), kind="assess")
    emission = (await Decided().apply(await health.jobs["assess"](running))).emit[-1]
    assert isinstance(emission.event, StepFinished)
    return emission.event


async def test_a_steady_service_scores_a_hundred_and_a_healthy_image_becomes_live(
    health: Service, account: SimulatedAws
) -> None:
    before = await assess(health)
    assert (before.verdict, before.gates[0].value) == (Verdict.PASS, 100)
    deployment = await asyncio.to_thread(deploy, "healthy")
    answer, published = await watch(health, account, deployment)
    assert answer.verdict is Verdict.PASS
    assert {gate.name for gate in answer.gates} == {
        "rollout_completed",
        "our_deployment_live",
        "tasks_running",
        "targets_healthy",
        "failed_tasks",
    }
    assert published[0] == "0 of 3 tasks running, 0 of 3 targets healthy"
    assert "3 of 3 tasks running, 1 of 3 targets healthy" in published


@pytest.mark.parametrize(
    ("tag", "words"),
    [
        ("crash-loop", "exit code 1"),
        ("wrong-architecture", "linux/amd64"),
        ("unhealthy", "failed ELB health checks"),
        ("no-such-tag", "not found"),
    ],
)
@pytest.mark.parametrize("configuration", [{}, BREAKER], ids=["alone", "with ECS rolling back"])
async def test_a_broken_image_fails_and_the_answer_says_why(
    health: Service, account: SimulatedAws, tag: str, words: str, configuration: Any
) -> None:
    more = {"deploymentConfiguration": configuration} if configuration else {}
    deployment = await asyncio.to_thread(deploy, tag, **more)
    began = account.now()
    answer, _ = await watch(health, account, deployment)
    assert (answer.verdict, answer.cause) == (Verdict.FAIL, Cause.GATE)
    assert words in answer.summary
    assert account.now() - began < 120


async def test_a_deployment_that_somebody_else_supersedes(health: Service, account: SimulatedAws) -> None:
    ours = await asyncio.to_thread(deploy, "healthy")
    theirs = await asyncio.to_thread(deploy, "slow")
    answer, _ = await watch(health, account, ours)
    assert (answer.verdict, answer.cause) == (Verdict.FAIL, Cause.SUPERSEDED)
    observed, _ = await watch(health, account, None)
    assert observed.verdict is Verdict.PASS
    live = next(gate for gate in observed.gates if gate.name == "our_deployment_live")
    assert theirs in live.detail


async def test_what_ecs_cannot_see_shows_in_the_score(health: Service, account: SimulatedAws) -> None:
    deployment = await asyncio.to_thread(deploy, "database-failure")
    assert (await watch(health, account, deployment))[0].verdict is Verdict.PASS
    account.step(420)
    answer = await assess(health)
    assert (answer.verdict, answer.cause) == (Verdict.FAIL, Cause.GATE)
    assert "database: the application reports its database failing" in answer.summary
    assert "error_rate" in answer.summary


async def test_an_application_that_demands_a_header_is_looked_at_with_it(
    health: Service, account: SimulatedAws, policies: FakePolicies
) -> None:
    account.world.conditions.demanded_headers = {"x-probe": HEADER_VALUE}
    without = await assess(health)
    assert "startup: the application answers 401" in without.summary
    headers = {"X-Probe": COURT.header_secret}
    policies.reload(ServicePolicy(target=TARGET, application=Application(headers=headers)))
    carrying = await assess(health)
    assert (carrying.verdict, carrying.gates[0].value) == (Verdict.PASS, 100)
    assert HEADER_VALUE not in carrying.model_dump_json()


async def test_a_worker_without_a_load_balancer_is_scored_by_its_tasks(health: Service, account: SimulatedAws) -> None:
    del account
    ecs = boto3.client("ecs", region_name=REGION)
    live: Any = await asyncio.to_thread(ecs.describe_services, cluster=CLUSTER, services=[SERVICE])
    (service,) = live["services"]
    await asyncio.to_thread(
        ecs.create_service,
        cluster=CLUSTER,
        serviceName="worker",
        taskDefinition=service["taskDefinition"],
        desiredCount=1,
        launchType="FARGATE",
        networkConfiguration=service["networkConfiguration"],
    )
    worker = TARGET.model_copy(update={"service": "worker"})
    payload = AssessHealth(target=worker, run_id="run-1", minimum_score=0).model_dump_json().encode()
    emission = (await Decided().apply(await health.jobs["assess"](FakeRunning(payload)))).emit[0]
    assert isinstance(emission.event, HealthScored)
    assert "business" not in {level.level for level in emission.event.levels}
