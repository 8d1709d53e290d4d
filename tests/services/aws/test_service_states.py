"""One answer to whether a service is there: each service's adapter in each state that ECS knows."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from contracts.base import Target
from services._aws.errors import AwsError
from services.diagnostics.adapters.ecs import AwsEcs as OfDiagnostics
from services.health.adapters.ecs import AwsEcs as OfHealth
from services.monitor.adapters.ecs import AwsEcs as OfMonitor
from services.monitor.ports import NotFound
from services.optimizer.adapters.ecs import AwsEcs as OfOptimizer
from services.optimizer.ports import NotSizable
from services.recovery.adapters.ecs import AwsEcs as OfRecovery
from services.validator.adapters.ecs import AwsEcs as OfValidator
from services.validator.domain.facts import Absent, LiveService, Unknown
from tests.kit import ScriptedAws, refusal

TARGET = Target(account="123456789012", region="us-west-2", cluster="Main", service="api")
BODY = {
    "serviceName": "api",
    "desiredCount": 2,
    "runningCount": 2,
    "launchType": "FARGATE",
    "taskDefinition": "api:7",
    "deployments": [{"id": "ecs-svc/1", "status": "PRIMARY", "taskDefinition": "api:7"}],
}
DEFINITION = {"taskDefinitionArn": "arn:api:7", "family": "api", "revision": 7, "cpu": "512", "memory": "1024"}

Look = Callable[[ScriptedAws], Awaitable[str]]
"""``there``, ``being deleted``, ``not there`` or ``unknown``, as a service has it of its adapter."""


async def by_health(aws: ScriptedAws) -> str:
    found = await OfHealth(aws).service(TARGET)
    return "not there" if found is None else "being deleted" if found.being_deleted else "there"


async def by_diagnostics(aws: ScriptedAws) -> str:
    found = await OfDiagnostics(aws).service(TARGET)
    return "not there" if found is None else "being deleted" if found.being_deleted else "there"


async def by_monitor(aws: ScriptedAws) -> str:
    try:
        return f"there, {(await OfMonitor(aws).watched(TARGET, None)).wanted} wanted"
    except NotFound:
        return "not there"


async def by_optimizer(aws: ScriptedAws) -> str:
    try:
        return f"there, {(await OfOptimizer(aws).deployed(TARGET, 0.0)).tasks} wanted"
    except NotSizable as error:
        return "being deleted" if "is being deleted" in str(error) else "not there"


async def by_recovery(aws: ScriptedAws) -> str:
    found = await OfRecovery(aws).service(TARGET)
    return "not there" if found is None else f"there, {found['status']}"


async def by_validator(aws: ScriptedAws) -> str:
    match await OfValidator(aws).service(TARGET):
        case LiveService():
            return "there"
        case Absent(detail):
            return "being deleted" if "is being deleted" in detail else "not there"
        case Unknown(detail):
            raise AwsError(detail)


EVERYBODY: tuple[Look, ...] = (by_health, by_diagnostics, by_monitor, by_optimizer, by_recovery, by_validator)


def account(answer: Any) -> ScriptedAws:
    return ScriptedAws(
        describe_services=answer,
        describe_task_definition={"taskDefinition": DEFINITION},
        describe_scaling_policies={"ScalingPolicies": []},
    )


def of(status: str) -> dict[str, Any]:
    return {"services": [BODY | {"status": status}], "failures": []}


def failure(*reasons: str) -> dict[str, Any]:
    return {"services": [], "failures": [{"arn": "arn:api", "reason": reason} for reason in reasons]}


@pytest.mark.parametrize(
    ("look", "active", "draining"),
    [
        (by_health, "there", "being deleted"),
        (by_diagnostics, "there", "being deleted"),
        (by_monitor, "there, 2 wanted", "there, 2 wanted"),
        (by_optimizer, "there, 2 wanted", "being deleted"),
        (by_recovery, "there, ACTIVE", "there, DRAINING"),
        (by_validator, "there", "being deleted"),
    ],
)
async def test_who_reads_it_while_it_is_being_deleted(look: Look, active: str, draining: str) -> None:
    assert await look(account(of("ACTIVE"))) == active
    assert await look(account(of("DRAINING"))) == draining


@pytest.mark.parametrize("look", EVERYBODY)
@pytest.mark.parametrize(
    "answer",
    [of("INACTIVE"), failure("MISSING"), refusal("ClusterNotFoundException"), refusal("ServiceNotFoundException")],
    ids=["INACTIVE", "MISSING", "no cluster", "purged"],
)
async def test_for_everybody_it_is_not_there(look: Look, answer: Any) -> None:
    aws = account(answer)
    assert await look(aws) == "not there"
    assert set(aws.targets) == {TARGET}, "asked by the target's connection"


@pytest.mark.parametrize("look", EVERYBODY)
@pytest.mark.parametrize(
    "answer",
    [
        failure("ACCESS_DENIED"),
        failure("MISSING", "THROTTLED"),
        failure(),
        refusal("AccessDeniedException"),
        refusal("ThrottlingException"),
    ],
    ids=["access", "throttled", "empty", "AccessDeniedException", "ThrottlingException"],
)
async def test_for_everybody_it_is_not_known(look: Look, answer: Any) -> None:
    with pytest.raises(AwsError):
        await look(account(answer))
