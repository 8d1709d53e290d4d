"""The role of ``docs/accounts.md`` is one that Surefoot can enter, and nobody without the external id."""

import json
import re
from pathlib import Path
from typing import Any

import boto3
import pytest

from sandbox.aws.accounts import ACCOUNT, REGION, SECOND_ACCOUNT
from services._chassis.aws_connection import Place
from services._chassis.credentials import CAUSES, NoCredentials
from services._policy.environment import Environment
from services._policy.files import File, Files
from services._policy.load import load
from tests.accounts.conftest import Installation
from tests.accounts.test_watch import keys_of_the_administrator

TEXT = (Path(__file__).parents[2] / "docs" / "accounts.md").read_text()
POLICY, TRUST = (re.findall(rf"```{kind}\n(.*?)```", TEXT, re.DOTALL)[0] for kind in ("yaml", "json"))


def test_the_role_of_the_document(installation: Installation) -> None:
    access = load(Files((File("policy.yaml", f"version: 1\n{POLICY}".encode()),)), Environment(), ACCOUNT).access(
        SECOND_ACCOUNT
    )
    assert access is not None
    iam: Any = boto3.client("iam", region_name=REGION, **keys_of_the_administrator())
    trust = json.loads(TRUST)
    trust["Statement"][0]["Principal"]["AWS"] = f"arn:aws:iam::{ACCOUNT}:user/test"  # who the tests are
    iam.create_role(RoleName="documented", AssumeRolePolicyDocument=json.dumps(trust))
    role = f"arn:aws:iam::{SECOND_ACCOUNT}:role/documented"
    installation.policies.accounts[SECOND_ACCOUNT] = access.model_copy(update={"role": role})
    place = Place(SECOND_ACCOUNT, REGION)
    assert installation.connection.account(place).credentials.get_frozen_credentials()
    installation.policies.accounts[SECOND_ACCOUNT] = access.model_copy(update={"role": role, "external_id": None})
    with pytest.raises(NoCredentials, match="AccessDenied"):
        installation.connection.account(place).credentials.get_frozen_credentials()
    iam.delete_role(RoleName="documented")


def test_the_document_has_as_many_causes_as_the_sentence() -> None:
    row = next(line for line in TEXT.splitlines() if "AccessDenied |" in line)
    causes = row.partition("in this order: ")[2].partition(". Asked")[0]
    assert causes.count(";") + 1 == len(CAUSES)
