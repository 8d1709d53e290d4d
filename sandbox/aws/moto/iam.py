"""Roles and users' access keys, read from moto's IAM."""

import json
from dataclasses import dataclass
from typing import Any

from moto.iam.models import iam_backends

from sandbox.aws.accounts import ACCOUNT
from sandbox.aws.sts.sessions import Identity

SHORTEST_MAXIMUM = 3600
"""Seconds; MaxSessionDuration of a role for which nothing else was asked (IAM API reference, CreateRole)."""


@dataclass(frozen=True, slots=True)
class Role:
    id: str
    name: str
    trust: dict[str, Any]
    max_seconds: int


def role_of(arn: str) -> Role | None:
    """Return the role with this ARN; None if its account has none."""
    parts = arn.split(":")
    if len(parts) != 6 or parts[2] != "iam" or not parts[5].startswith("role/"):
        return None
    found = next((role for role in iam_backends[parts[4]]["aws"].get_roles() if role.arn == arn), None)
    if found is None:
        return None
    trust = json.loads(found.assume_role_policy_document)
    return Role(found.id, found.name, trust, int(found.max_session_duration or SHORTEST_MAXIMUM))


def user_of(access_key: str) -> Identity:
    """Return the key's user; for an unknown key, a user of the first account with the key's name."""
    for account, partitions in list(iam_backends.items()):
        if access_key in partitions["aws"].access_keys:
            name = partitions["aws"].access_keys[access_key].user_name
            if name is not None:
                user = partitions["aws"].get_user(name)
                return Identity(account, str(user.arn), str(user.id))
    name = access_key or "anonymous"
    return Identity(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/{name}", f"AIDA{name.upper()}")
