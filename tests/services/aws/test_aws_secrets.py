"""Values of headers: read anew each time, only for what the policy in force sends, and shown nowhere."""

import pytest

from contracts.base import Target
from contracts.policy import Application, ServicePolicy
from services._aws.errors import AwsError
from services._aws.secrets import Secrets
from tests.kit import FakePolicies, ScriptedAws, refusal

TARGET = Target(account="123456789012", region="us-west-2", cluster="Main", service="api")
ELSEWHERE = TARGET.model_copy(update={"account": "210987654321"})
SENDING = Application(url="https://shop.example/base", headers={"X-Probe": "shop/probe", "X-Tenant": "shop/tenant"})


def secrets(aws: ScriptedAws, in_force: Application = SENDING) -> Secrets:
    return Secrets(
        aws, FakePolicies(*(ServicePolicy(target=target, application=in_force) for target in (TARGET, ELSEWHERE)))
    )


def asked(url: str | None = SENDING.url, **headers: str) -> Application:
    return Application(url=url, headers={name.replace("_", "-"): secret for name, secret in headers.items()})


async def test_a_secret_is_read_where_its_service_is_and_each_time() -> None:
    """A secret that was rotated a minute ago would fail a critical test, and a healthy deployment is rolled back."""
    aws = ScriptedAws(get_secret_value={"SecretString": "s3cret\n"})
    held = secrets(aws)
    for target in (TARGET, ELSEWHERE, TARGET):
        headers = await held.headers(target, asked(X_Probe="shop/probe"))
        assert headers["X-Probe"].get_secret_value() == "s3cret"
    assert aws.targets == [TARGET, ELSEWHERE, TARGET]
    assert aws.calls == [("get_secret_value", {"SecretId": "shop/probe"})] * 3


@pytest.mark.parametrize(
    ("application", "why"),
    [
        (asked(X_Probe="shop/database-password"), "the policy in force does not send it as X-Probe"),
        (asked(X_Probe="shop/tenant"), "the policy in force does not send it as X-Probe"),
        (asked(X_Other="shop/probe"), "the policy in force does not send it as X-Other"),
        (asked("https://attacker.example", X_Probe="shop/probe"), "has another `application.url`"),
        (asked("http://shop.example/base", X_Probe="shop/probe"), "has another `application.url`"),
        (asked("https://shop.example:8443", X_Probe="shop/probe"), "has another `application.url`"),
        (asked(None, X_Probe="shop/probe"), "has another `application.url`"),
    ],
)
async def test_what_the_policy_in_force_does_not_send_is_not_even_read(application: Application, why: str) -> None:
    """A command carries a policy of its own, and whoever can publish one can write what they like."""
    aws = ScriptedAws(get_secret_value={"SecretString": "s3cret"})
    with pytest.raises(AwsError) as caught:
        await secrets(aws).headers(TARGET, application)
    assert why in str(caught.value)
    assert not caught.value.temporary
    assert aws.calls == []


async def test_a_target_that_the_policy_refuses_has_no_secrets() -> None:
    aws, policies = ScriptedAws(get_secret_value={"SecretString": "s3cret"}), FakePolicies()
    policies.refused = frozenset({TARGET})
    with pytest.raises(AwsError, match="does not list"):
        await Secrets(aws, policies).headers(TARGET, asked(X_Probe="shop/probe"))
    assert aws.calls == []


async def test_another_path_of_the_same_host_gets_the_headers_and_nobody_else_is_asked_about() -> None:
    aws = ScriptedAws(get_secret_value={"SecretString": "s3cret"})
    assert await secrets(aws).headers(TARGET, asked("https://shop.example", X_Probe="shop/probe"))
    assert len(aws.calls) == 1
    assert await secrets(aws).headers(TARGET, asked("https://other.example")) == {}
    assert len(aws.calls) == 1


async def test_a_value_is_in_no_text() -> None:
    held = secrets(ScriptedAws(get_secret_value={"SecretString": "s3cret"}))
    headers = await held.headers(TARGET, asked(X_Probe="shop/probe"))
    assert "s3cret" not in f"{held!r} {headers!r} {headers}"


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
        await secrets(ScriptedAws(get_secret_value=answer)).headers(TARGET, asked(X_Probe="shop/probe"))
    assert str(caught.value) == f"cannot read the secret shop/probe: {why}"
    assert caught.value.__cause__ is None
    assert "s3cr" not in repr(caught.value)
