"""Trust policies, as IAM reads them."""

from typing import Any

import pytest

from sandbox.aws.sts.trust import trusts

USER = "arn:aws:iam::123456789012:user/ada"
SESSION = "arn:aws:sts::123456789012:assumed-role/surefoot-recovery/run-1"
STRANGER = "arn:aws:iam::999999999999:user/eve"


def policy(principal: Any, effect: str = "Allow", action: Any = "sts:AssumeRole", **condition: Any) -> dict[str, Any]:
    return {"Effect": effect, "Principal": principal, "Action": action, "Condition": condition}


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


@pytest.mark.parametrize(
    ("principal", "caller", "trusted"),
    [
        ({"AWS": "123456789012"}, USER, True),
        ({"AWS": "arn:aws:iam::123456789012:root"}, SESSION, True),
        ({"AWS": ["arn:aws:iam::999999999999:root", USER]}, USER, True),
        ({"AWS": "arn:aws:iam::123456789012:role/surefoot-recovery"}, SESSION, True),
        ({"AWS": SESSION}, SESSION, True),
        ({"AWS": "*"}, STRANGER, True),
        ("*", STRANGER, True),
        ({"AWS": "arn:aws:iam::123456789012:root"}, STRANGER, False),
        ({"AWS": "arn:aws:iam::123456789012:role/surefoot-monitor"}, SESSION, False),
        ({"AWS": "arn:aws:iam::123456789012:role/surefoot"}, SESSION, False),
        ({"Service": "ecs-tasks.amazonaws.com"}, USER, False),
    ],
)
def test_a_principal_is_an_account_a_user_a_role_or_a_session(principal: Any, caller: str, *, trusted: bool) -> None:
    """IAM user guide, "AWS JSON policy elements: Principal"."""
    assert trusts(document(policy(principal)), caller, "run-1", None) is trusted


@pytest.mark.parametrize(
    ("condition", "external_id", "trusted"),
    [
        ({"StringEquals": {"sts:ExternalId": "right"}}, "right", True),
        ({"StringEquals": {"sts:ExternalId": "right"}}, "wrong", False),
        ({"StringEquals": {"sts:ExternalId": "right"}}, "Right", False),
        ({"StringEquals": {"sts:ExternalId": "right"}}, None, False),
        ({"StringEquals": {"STS:externalid": ["left", "right"]}}, "right", True),
        ({"StringLike": {"sts:ExternalId": "ri*"}}, "right", True),
        ({"StringEquals": {"sts:ExternalId": "ri*"}}, "right", False),
        ({"StringEquals": {"sts:ExternalId": "right", "sts:RoleSessionName": "run-2"}}, "right", False),
        ({"Bool": {"aws:MultiFactorAuthPresent": "true"}}, "right", False),
    ],
)
def test_every_condition_must_hold(condition: Any, external_id: str | None, *, trusted: bool) -> None:
    """IAM user guide, "How to use an external ID"; a condition that cannot be judged here does not hold."""
    assert trusts(document(policy({"AWS": "*"}, **condition)), USER, "run-1", external_id) is trusted


def test_a_denial_outweighs_every_permission() -> None:
    everybody = policy({"AWS": "*"}, action="sts:*")
    nobody_else = policy({"AWS": USER}, effect="Deny")
    assert trusts(document(everybody, nobody_else), SESSION, "run-1", None)
    assert not trusts(document(everybody, nobody_else), USER, "run-1", None)


def test_another_action_permits_nothing() -> None:
    assert not trusts(document(policy({"AWS": "*"}, action="sts:TagSession")), USER, "run-1", None)
    assert not trusts({}, USER, "run-1", None)
