"""The validator as it is wired, against the simulated AWS and the application behind its load balancer."""

from collections.abc import AsyncIterator, Iterator
from typing import cast

import pytest

from contracts.base import Target
from contracts.deployment import Cause, Change, ImageChange, TaskDefinitionChange
from contracts.gates import Verdict
from contracts.policy import Application as ApplicationPolicy
from contracts.policy import ServicePolicy
from contracts.policy_parts import ValidationPolicy
from contracts.policy_tests import Tests
from contracts.results import PreflightOutput, ProbesOutput, StepFinished
from contracts.validator import RunPreflight, ValidateDeployment
from sandbox.aws.accounts import ACCOUNT, REGION
from sandbox.aws.server import SimulatedAws
from sandbox.aws.server.seed import CLUSTER, HEADER_VALUE, SERVICE
from sandbox.aws.workloads import COURT
from services._chassis.aws import Aws
from services._chassis.aws_connection import AwsConnection
from services._chassis.clock import Pace, PacedClock, moment
from services._chassis.service import Platform, Service
from services._chassis.store import IndexedStore
from services.validator.app import create_app
from services.validator.jobs.preflight import PREFLIGHT
from services.validator.jobs.validate import VALIDATION
from services.validator.settings import Settings
from tests.kit import FakePolicies, FakeRunning

TARGET = Target(account=ACCOUNT, region=REGION, cluster=CLUSTER, service=SERVICE)


@pytest.fixture(scope="module")
def account() -> Iterator[SimulatedAws]:
    with SimulatedAws() as aws:
        aws.step(120)
        yield aws


@pytest.fixture
def policies() -> FakePolicies:
    return FakePolicies()


@pytest.fixture
async def validator(
    account: SimulatedAws, policies: FakePolicies, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Service]:
    monkeypatch.setenv("AWS_ENDPOINT_URL", account.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    connection = AwsConnection(REGION)
    aws = Aws(connection, "validator")
    platform = Platform(cast("IndexedStore", None), PacedClock(Pace()), aws, policies=policies)
    service = create_app(Settings(aws_account=ACCOUNT), platform)
    yield service
    for close in service.closers:
        await close()
    connection.close()


async def work(service: Service, kind: str, command: RunPreflight | ValidateDeployment) -> StepFinished:
    running = FakeRunning(command.model_dump_json().encode(), kind=kind)
    transition = await service.jobs[kind](running)
    event = transition.decide(None).emit[0].event
    assert isinstance(event, StepFinished)
    return event


async def look(service: Service, change: Change) -> StepFinished:
    return await work(service, PREFLIGHT, RunPreflight(target=TARGET, run_id="run-1", change=change))


async def test_an_index_and_a_single_manifest_are_told_apart(account: SimulatedAws, validator: Service) -> None:
    repository = account.world.registry.uri
    good = await look(validator, ImageChange(reference=f"{repository}:slow"))
    digest = account.world.registry.tags["slow"]
    assert good.verdict is Verdict.PASS, good.summary
    assert isinstance(good.output, PreflightOutput)
    assert good.output.images == {"backend": f"{repository}@{digest}"}
    assert good.output.pace is not None
    assert good.output.pace.sentence.startswith("nothing may stand still for 10 minutes (1 batch of ")
    wrong = await look(validator, ImageChange(reference=f"{repository}:wrong-architecture"))
    assert wrong.verdict is Verdict.FAIL
    assert "linux/arm64, not linux/amd64" in wrong.summary


async def test_what_is_not_there_is_named(account: SimulatedAws, validator: Service) -> None:
    repository = account.world.registry.uri
    assert "no image" in (await look(validator, ImageChange(reference=f"{repository}:none"))).summary
    unknown = await look(validator, TaskDefinitionChange(task_definition="court-case-backend:99"))
    assert "court-case-backend:99" in unknown.summary
    elsewhere = TARGET.model_copy(update={"service": "Nobody"})
    command = RunPreflight(target=elsewhere, run_id="run-1", change=ImageChange(reference="app"))
    assert "no service Nobody" in (await work(validator, PREFLIGHT, command)).summary


async def test_a_task_definition_is_resolved(validator: Service) -> None:
    answer = await look(validator, TaskDefinitionChange(task_definition="court-case-backend"))
    assert answer.verdict is Verdict.PASS, answer.summary
    assert isinstance(answer.output, PreflightOutput)
    assert str(answer.output.task_definition).endswith(":task-definition/court-case-backend:1")
    assert "correct-horse-battery" not in answer.model_dump_json()


async def test_the_healthy_application_passes_its_suites(account: SimulatedAws, validator: Service) -> None:
    command = ValidateDeployment(target=TARGET, run_id="run-1", deadline=moment(account.now() + 300))
    answer = await work(validator, VALIDATION, command)
    assert answer.verdict is Verdict.PASS, answer.summary
    assert isinstance(answer.output, ProbesOutput)
    assert answer.output.requests >= 9
    assert answer.output.p95_seconds is not None
    assert 0 < answer.output.p95_seconds < 2


def demanding(target: Target, **headers: str) -> ServicePolicy:
    """Return a policy of one attempt for each test, so that nobody waits for a refusal to pass."""
    tests = Tests(critical_retries=0, other_retries=0)
    return ServicePolicy(target=target, application=ApplicationPolicy(headers=headers), tests=tests)


async def test_an_application_that_demands_a_header_is_tested_with_it(
    account: SimulatedAws, policies: FakePolicies, validator: Service, caplog: pytest.LogCaptureFixture
) -> None:
    account.world.conditions.demanded_headers = {"x-probe": HEADER_VALUE}
    command = ValidateDeployment(target=TARGET, run_id="run-1", deadline=moment(account.now() + 300))
    try:
        policies.reload(demanding(TARGET))
        without = await work(validator, VALIDATION, command)
        policies.reload(demanding(TARGET, **{"X-Probe": "court-case/nothing"}))
        unreadable = await work(validator, VALIDATION, command)
        policies.reload(demanding(TARGET, **{"X-Probe": COURT.header_secret}))
        carrying = await work(validator, VALIDATION, command)
    finally:
        account.world.conditions.demanded_headers = {}
    assert (without.verdict, "answered 401" in without.model_dump_json()) == (Verdict.FAIL, True)
    assert (unreadable.verdict, unreadable.cause) == (Verdict.INCONCLUSIVE, Cause.ERROR)
    assert unreadable.summary.startswith("cannot read the secret court-case/nothing: ")
    assert unreadable.summary.endswith("ResourceNotFoundException")
    assert carrying.verdict is Verdict.PASS, carrying.summary
    assert HEADER_VALUE not in carrying.model_dump_json() + caplog.text


async def test_a_command_whose_policy_sends_a_secret_elsewhere_gets_no_secret(
    policies: FakePolicies, validator: Service, unused_tcp_port: int
) -> None:
    """A forged command can carry any policy; the policy in force decides which secrets are sent, and where."""
    policies.reload(demanding(TARGET, **{"X-Probe": COURT.header_secret}))
    forged = demanding(TARGET, **{"X-Probe": COURT.header_secret})
    application = forged.application.model_copy(update={"url": f"http://127.0.0.1:{unused_tcp_port}"})
    command = ValidateDeployment(
        target=TARGET,
        run_id="run-1",
        deadline=moment(0),
        policy=forged.model_copy(update={"application": application}).part(ValidationPolicy),
    )
    answer = await work(validator, VALIDATION, command)
    assert (answer.verdict, answer.cause) == (Verdict.INCONCLUSIVE, Cause.ERROR)
    assert answer.summary.startswith("secrets of headers are not read")
    assert [gate.name for gate in answer.gates] == ["header_secrets"]
