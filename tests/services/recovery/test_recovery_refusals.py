"""What AWS refuses before anything has changed is no failure of the deployment, and nothing is rolled back."""

from typing import cast

import pytest
from botocore.exceptions import ClientError

from contracts.deployment import Cause
from contracts.recovery import CHANGE_ACCEPTED, ApplyChange
from contracts.results import StepFinished
from services._aws.errors import AwsError
from services._chassis.aws import Aws
from services.recovery.adapters.ecs import AwsEcs
from services.recovery.domain.change import values_of
from tests.services.recovery.harness import ARN, BAD, OTHER, SECRET, TARGET, Recovery

MISFIT = AwsError(
    "ECS refused UpdateService: InvalidParameterException (The container web does not exist in the task definition)",
    code="InvalidParameterException",
)
DENIED = AwsError("ECS refused UpdateService: AccessDeniedException (no)", code="AccessDeniedException")
THROTTLED = AwsError("ECS did not answer DescribeServices: ThrottlingException", temporary=True)
LOST = AwsError("ECS did not answer UpdateService: ReadTimeoutError", temporary=True)


@pytest.fixture
async def recovery() -> Recovery:
    armed = Recovery()
    await armed.arm()
    return armed


async def changed(recovery: Recovery) -> StepFinished:
    answer = await recovery.change(image=OTHER)
    assert answer is not None
    return answer


@pytest.mark.parametrize(
    ("method", "error", "cause"),
    [
        ("update", MISFIT, Cause.USAGE),
        ("register", MISFIT, Cause.USAGE),
        ("update", DENIED, Cause.REFUSED),
        ("service", DENIED, Cause.REFUSED),
        ("service", THROTTLED, Cause.ERROR),
        ("task_definition", THROTTLED, Cause.ERROR),
    ],
)
async def test_a_refused_change_has_certainly_changed_nothing(
    recovery: Recovery, method: str, error: AwsError, cause: Cause
) -> None:
    recovery.ecs.refusing[method] = error
    answer = await changed(recovery)
    assert (answer.verdict, answer.cause, answer.summary) == ("fail", cause, f"{error}.")
    assert [(gate.name, gate.verdict) for gate in answer.gates] == [(CHANGE_ACCEPTED, "fail")]
    assert recovery.ecs.live == f"{ARN}:1"
    assert "update" not in [verb for verb, _ in recovery.ecs.changing]


async def test_a_refusal_after_a_call_without_an_answer_leaves_the_result_unknown(recovery: Recovery) -> None:
    def lose_the_answer() -> None:
        recovery.ecs.history.pop()  # the call has not reached ECS yet
        recovery.ecs.refusing["update"] = MISFIT
        raise LOST

    recovery.ecs.after_update.append(lose_the_answer)
    answer = await changed(recovery)
    assert (answer.verdict, answer.cause) == ("fail", Cause.ERROR)
    assert [gate.name for gate in answer.gates] == ["change_applied"]


async def test_a_refusal_of_a_call_that_was_sent_twice_leaves_the_result_unknown(recovery: Recovery) -> None:
    recovery.ecs.refusing["update"] = AwsError("no", code="ClientException", sent_before=True)
    assert [gate.name for gate in (await changed(recovery)).gates] == ["change_applied"]


async def test_a_refusal_in_a_later_attempt_leaves_the_result_unknown(recovery: Recovery) -> None:
    recovery.ecs.refusing["update"] = MISFIT
    await recovery.change(image=OTHER, work=False)
    await recovery.work(die_at=3)  # once the version is kept, and right before the call
    answer = recovery.answer("run-1:change")
    assert answer is not None
    assert (answer.cause, [gate.name for gate in answer.gates]) == (Cause.USAGE, ["change_applied"])


async def test_a_denial_in_a_later_attempt_is_an_error_so_that_a_change_that_may_be_live_is_rolled_back(
    recovery: Recovery,
) -> None:
    recovery.ecs.refusing["update"] = DENIED
    await recovery.change(image=OTHER, work=False)
    await recovery.work(die_at=3)
    answer = recovery.answer("run-1:change")
    assert answer is not None
    assert (answer.cause, [gate.name for gate in answer.gates]) == (Cause.ERROR, ["change_applied"])


async def test_what_cannot_be_compared_is_registered(recovery: Recovery) -> None:
    recovery.ecs.refusing["revisions"] = DENIED
    assert (await changed(recovery)).verdict == "pass"


async def test_a_task_definition_that_is_not_there_changes_nothing(recovery: Recovery) -> None:
    await recovery.send(ApplyChange(target=TARGET, run_id="run-1", task_definition="backend:9"), "change")
    await recovery.work()
    answer = recovery.answer("change")
    assert answer is not None
    assert (answer.cause, [gate.name for gate in answer.gates]) == (Cause.USAGE, [CHANGE_ACCEPTED])


async def test_without_a_deployment_in_the_answer_nothing_is_changed(recovery: Recovery) -> None:
    recovery.ecs.settings["deployments"] = []
    answer = await changed(recovery)
    assert (answer.summary, recovery.ecs.updates) == ("ECS lists no deployment of the service.", [])


async def test_every_value_that_may_be_secret_is_kept_from_quotations(recovery: Recovery) -> None:
    [definition] = recovery.ecs.definitions
    definition["containerDefinitions"][0] |= {"command": ["serve", "--key=abc"], "dockerLabels": {"k": "label"}}
    values = values_of(definition)
    assert {SECRET, "--key=abc", "label"} <= set(values)
    assert not {"backend", "DATABASE_URL", "JWT", BAD} & set(values)


async def test_the_options_of_a_log_driver_are_kept_from_quotations_of_a_refused_update() -> None:
    class Refusing:
        def at(self, _: object) -> "Refusing":
            return self

        async def call(self, *_: object, **__: object) -> None:
            message = "Invalid option splunk-token correct-horse of the log driver splunk"
            raise ClientError({"Error": {"Code": "ClientException", "Message": message}}, "UpdateService")

    logs = {"logDriver": "splunk", "options": {"splunk-token": "correct-horse"}}
    ecs = AwsEcs(cast("Aws", Refusing()))
    with pytest.raises(AwsError) as raised:
        await ecs.update(TARGET, {"serviceConnectConfiguration": {"enabled": True, "logConfiguration": logs}})
    assert str(raised.value).endswith("(Invalid option splunk-token […] of the log driver splunk)")
