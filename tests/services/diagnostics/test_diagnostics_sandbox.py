"""Diagnostics as it is wired, over the simulated AWS in virtual time."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import boto3
import pytest

from contracts.base import Target
from contracts.diagnostics import IssueFound, RunDiagnostics
from contracts.results import StepFinished
from sandbox.aws.accounts import ACCOUNT, REGION
from sandbox.aws.server import SimulatedAws
from sandbox.aws.server.seed import CLUSTER, SERVICE
from services._chassis.aws import Aws
from services._chassis.aws_connection import AwsConnection
from services._chassis.service import Platform, Service
from services.diagnostics.app import create_app
from services.diagnostics.settings import Settings
from tests.kit import FakeRunning, WorldClock, events, memory_store
from tests.services.diagnostics.harness import NOW

TARGET = Target(account=ACCOUNT, region=REGION, cluster=CLUSTER, service=SERVICE)
BREAKER = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedAws]:
    with SimulatedAws(clock=lambda: NOW) as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL", aws.endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        yield aws


@pytest.fixture
async def diagnostics(account: SimulatedAws) -> AsyncIterator[Service]:
    connection = AwsConnection(REGION)
    clock = WorldClock(account)
    yield create_app(
        Settings(aws_account=ACCOUNT),
        Platform(memory_store("diagnostics", clock), clock, Aws(connection, "diagnostics")),
    )
    connection.close()


def deploy(tag: str, **more: Any) -> None:
    ecs = boto3.client("ecs", region_name=REGION)
    old: Any = ecs.describe_task_definition(taskDefinition="court-case-backend")["taskDefinition"]
    (container,) = old["containerDefinitions"]
    kept = ("family", "cpu", "memory", "networkMode", "requiresCompatibilities", "executionRoleArn")
    body: Any = {key: old[key] for key in kept}
    container["image"] = f"{container['image'].partition(':')[0]}:{tag}"
    new = ecs.register_task_definition(**body, containerDefinitions=[container])["taskDefinition"]
    ecs.update_service(cluster=CLUSTER, service=SERVICE, taskDefinition=new["taskDefinitionArn"], **more)


async def look(diagnostics: Service) -> tuple[dict[str, str], StepFinished, str]:
    """Return kind → severity, the answer, and all that was told as text."""
    running = FakeRunning(RunDiagnostics(target=TARGET, run_id="run-1").model_dump_json().encode())
    told = events((await diagnostics.jobs["diagnose"](running)).decide(None))
    issues: dict[str, str] = {event.issue.kind: event.issue.severity for event in told if isinstance(event, IssueFound)}
    (answer,) = (event for event in told if isinstance(event, StepFinished))
    return issues, answer, "".join(event.model_dump_json() for event in told)


async def test_a_steady_service_has_no_issue(diagnostics: Service, account: SimulatedAws) -> None:
    issues, answer, _ = await look(diagnostics)
    assert (issues, answer.verdict) == ({}, "pass")


@pytest.mark.parametrize(
    ("tag", "kind"),
    [
        ("crash-loop", "crash_loop"),
        ("wrong-architecture", "image_architecture"),
        ("no-such-tag", "image_not_found"),
    ],
)
async def test_a_broken_deployment_is_critical_until_it_is_history(
    diagnostics: Service, account: SimulatedAws, tag: str, kind: str
) -> None:
    await asyncio.to_thread(deploy, tag)
    account.step(90)
    issues, answer, told = await look(diagnostics)
    assert issues[kind] == issues["deployment_failing"] == "critical"
    assert answer.verdict == "fail"
    assert "correct-horse-battery" not in told  # a plain environment value of the seeded task definition
    await asyncio.to_thread(deploy, "healthy")
    account.step(180)
    issues, answer, _ = await look(diagnostics)
    assert (issues, answer.verdict) == ({kind: "info"}, "pass")


async def test_a_rollback_by_ecs_leaves_nothing_critical(diagnostics: Service, account: SimulatedAws) -> None:
    await asyncio.to_thread(deploy, "crash-loop", deploymentConfiguration=BREAKER)
    account.step(300)
    issues, answer, _ = await look(diagnostics)
    assert (issues, answer.verdict) == ({"crash_loop": "info"}, "pass")


async def test_a_leak_is_out_of_memory_and_a_failing_health_check_names_its_code(
    diagnostics: Service, account: SimulatedAws
) -> None:
    await asyncio.to_thread(deploy, "memory-leak")
    account.step(600)
    assert "out_of_memory" in (await look(diagnostics))[0]
    await asyncio.to_thread(deploy, "unhealthy")
    account.step(75)
    issues, _, told = await look(diagnostics)
    assert {"target_response_code", "tasks_fail_health_checks"} & issues.keys()
    assert "health checks" in told


async def test_a_service_that_is_not_there(diagnostics: Service, account: SimulatedAws) -> None:
    missing = RunDiagnostics(target=TARGET.model_copy(update={"service": "Nobody"}), run_id="run-1")
    running = FakeRunning(missing.model_dump_json().encode())
    told = events((await diagnostics.jobs["diagnose"](running)).decide(None))
    assert [event.issue.kind for event in told if isinstance(event, IssueFound)] == ["service_missing"]
