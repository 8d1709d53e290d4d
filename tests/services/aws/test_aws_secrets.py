"""Values of headers: read once in a while, and shown nowhere."""

import pytest

from contracts.base import Target
from services._aws.errors import AwsError
from services._aws.secrets import KEPT_SECONDS, Secrets
from tests.kit import FakeClock
from tests.services.aws.scripted import ScriptedAws, refusal

TARGET = Target(account="123456789012", region="us-west-2", cluster="Main", service="api")
ELSEWHERE = TARGET.model_copy(update={"account": "210987654321"})


async def test_a_secret_is_read_where_its_service_is_and_kept_for_some_minutes() -> None:
    aws, clock = ScriptedAws(get_secret_value={"SecretString": "s3cret\n"}), FakeClock(0)
    secrets = Secrets(aws, clock)
    for _ in range(2):
        headers = await secrets.headers(TARGET, {"X-Probe": "shop/probe"})
        assert headers["X-Probe"].get_secret_value() == "s3cret"
    assert aws.calls == [("get_secret_value", {"SecretId": "shop/probe"})]
    await secrets.headers(ELSEWHERE, {"X-Probe": "shop/probe"})
    assert aws.targets == [TARGET, ELSEWHERE]
    clock.time += KEPT_SECONDS
    await secrets.headers(TARGET, {"X-Probe": "shop/probe"})
    assert len(aws.calls) == 3


async def test_a_value_is_in_no_text() -> None:
    secrets = Secrets(ScriptedAws(get_secret_value={"SecretString": "s3cret"}), FakeClock(0))
    headers = await secrets.headers(TARGET, {"X-Probe": "shop/probe"})
    assert "s3cret" not in f"{secrets!r} {headers!r} {headers}"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (refusal("AccessDeniedException"), "Secrets Manager did not answer GetSecretValue: AccessDeniedException"),
        ({"SecretBinary": b"s3cret"}, "it is no text that a header can have"),
        ({"SecretString": "s3cret\r\nx-other: s3cret"}, "it is no text that a header can have"),
        ({"SecretString": "s3cr\u00e9t"}, "it is no text that a header can have"),
    ],
)
async def test_what_cannot_be_used_is_named_and_not_quoted(answer: object, why: str) -> None:
    with pytest.raises(AwsError) as caught:
        await Secrets(ScriptedAws(get_secret_value=answer), FakeClock(0)).headers(TARGET, {"X-Probe": "shop/probe"})
    assert str(caught.value) == f"cannot read the secret shop/probe: {why}"
    assert caught.value.__cause__ is None
    assert "s3cr" not in repr(caught.value)
