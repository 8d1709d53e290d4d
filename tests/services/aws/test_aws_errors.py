"""AWS's refusals in our words, without its own."""

import asyncio
import traceback
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, ParamValidationError

from services._aws.errors import AwsError, answer_within, changing, reading
from tests.kit import refusal


@pytest.mark.parametrize(
    ("error", "code", "temporary"),
    [
        (refusal("AccessDeniedException"), "AccessDeniedException", False),
        (refusal("ThrottlingException"), "ThrottlingException", True),
        (refusal("SomethingNew", status=503), "SomethingNew", True),
        (refusal("SomethingNew"), "SomethingNew", False),
        (ConnectTimeoutError(endpoint_url="https://secret"), "ConnectTimeoutError", True),
        (EndpointConnectionError(endpoint_url="https://secret"), "EndpointConnectionError", True),
    ],
)
def test_a_refusal_has_a_code_and_says_whether_it_may_pass(error: Exception, code: str, temporary: bool) -> None:
    with pytest.raises(AwsError) as raised, reading("ECS", "DescribeServices"):
        raise error
    assert str(raised.value) == f"ECS did not answer DescribeServices: {code}"
    assert (raised.value.code, raised.value.temporary) == (code, temporary)


@pytest.mark.parametrize("context", [reading, changing])
def test_not_even_a_traceback_tells_what_was_sent(context: Any) -> None:
    sent = ParamValidationError(report="environment: correct-horse-battery")
    for error in (sent, refusal("ClientException")):
        with pytest.raises(AwsError) as raised, context("ECS", "RegisterTaskDefinition"):
            raise error
        told = "".join(traceback.format_exception(raised.value))
        assert "correct-horse-battery" not in told
        assert "with a secret in it" not in told


def test_a_refused_change_quotes_who_and_what_and_no_other_text() -> None:
    with pytest.raises(AwsError) as raised, changing("ECS", "UpdateService"):
        raise refusal("AccessDeniedException")
    assert str(raised.value) == "ECS refused UpdateService: AccessDeniedException (with a secret in it)"
    with pytest.raises(AwsError) as raised, changing("ECS", "UpdateService"):
        raise refusal("ClientException")
    assert str(raised.value) == "ECS refused UpdateService: ClientException"


def refused(message: str, secrets: tuple[str, ...], retries: int = 0) -> AwsError:
    answer: Any = {
        "Error": {"Code": "ClientException", "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": 400, "RetryAttempts": retries},
    }
    with pytest.raises(AwsError) as raised, changing("ECS", "RegisterTaskDefinition", secrets=secrets):
        raise ClientError(answer, "RegisterTaskDefinition")
    return raised.value


@pytest.mark.parametrize(
    "sentence",
    [
        "The container renamed does not exist in the task definition",
        "TaskDefinition is inactive",
        "Task definition does not support launch_type FARGATE",
        "The target group with targetGroupArn arn:aws:elasticloadbalancing:us-west-2:1:targetgroup/tg/1 does not exist",
        "Invalid 'cpu' setting for task. For more information, see the Troubleshooting section",
        "Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments",
    ],
)
def test_a_refusal_is_told_in_awss_own_words(sentence: str) -> None:
    assert str(refused(f"{sentence}.", ())) == f"ECS refused RegisterTaskDefinition: ClientException ({sentence}.)"


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("Value 'correct-horse-battery' is not valid", "Value '[…]' is not valid"),
        ("Value 'correct-horse' is not valid", "Value '[…]' is not valid"),
        ("Value postgres://u:pw@host/db is too long", "Value […] is too long"),
        ("Key AKIA/abc+def== is unknown", "Key […] is unknown"),
    ],
)
def test_no_secret_is_quoted_with_it(message: str, told: str) -> None:
    error = refused(message, ("correct-horse-battery", "on"))
    assert str(error) == f"ECS refused RegisterTaskDefinition: ClientException ({told})"


def test_a_refusal_of_a_call_that_was_sent_before_says_so() -> None:
    assert not refused("no", ()).sent_before
    assert refused("no", (), retries=1).sent_before


def test_other_faults_pass_through() -> None:
    with pytest.raises(LookupError), reading("ECS", "DescribeServices"):
        raise LookupError


async def test_one_question_without_an_answer_does_not_hide_the_others() -> None:
    async def refused() -> int:
        raise AwsError("no", code="Throttling", temporary=True)

    async def answered() -> int:
        return 3

    assert await answer_within(1, answered()) == 3
    error = await answer_within(1, refused())
    assert isinstance(error, AwsError)
    assert error.code == "Throttling"
    late = await answer_within(0.01, asyncio.Event().wait())
    assert isinstance(late, AwsError)
    assert (str(late), late.temporary) == ("no answer within 0.01 s", True)


async def test_a_read_without_an_answer_in_time_is_named_however_deep_it_is() -> None:
    async def hang() -> None:
        with reading("Elastic Load Balancing", "DescribeRules"):
            await asyncio.Event().wait()

    async def together() -> None:
        await asyncio.gather(hang(), asyncio.gather(hang(), asyncio.sleep(0)))

    for question in (hang(), together()):
        late = await answer_within(0.01, question)
        assert str(late) == "Elastic Load Balancing did not answer DescribeRules within 0.01 s"
