"""Decides whether a role's trust policy lets a caller assume it.

Source: IAM user guide, "AWS JSON policy elements: Principal" and "How to use an external ID". Principals are accounts,
users, roles and sessions; conditions are those on ``sts:ExternalId`` and ``sts:RoleSessionName``. A statement with
another condition, or with ``NotPrincipal``, never holds here: what cannot be judged allows nothing.
"""

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any

ACTION = "sts:AssumeRole"

_OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda value, wanted: value == wanted,
    "StringLike": fnmatchcase,
}


def trusts(policy: Mapping[str, Any], caller: str, session_name: str, external_id: str | None) -> bool:
    """Return whether the trust policy allows the principal with the ARN ``caller``; a denial outweighs permissions."""
    context = {"sts:externalid": external_id, "sts:rolesessionname": session_name}
    held = [
        str(statement.get("Effect"))
        for statement in _many(policy.get("Statement"))
        if _holds(statement, caller, context)
    ]
    return "Allow" in held and "Deny" not in held


def _holds(statement: Mapping[str, Any], caller: str, context: Mapping[str, str | None]) -> bool:
    actions = [str(action).lower() for action in _many(statement.get("Action"))]
    return (
        any(fnmatchcase(ACTION.lower(), action) for action in actions)
        and any(_is_meant(str(principal), caller) for principal in _principals(statement.get("Principal")))
        and all(
            _condition(operator, str(key).lower(), wanted, context)
            for operator, keys in (statement.get("Condition") or {}).items()
            for key, wanted in keys.items()
        )
    )


def _principals(principal: Any) -> list[Any]:
    return _many(principal.get("AWS")) if isinstance(principal, Mapping) else _many(principal)


def _is_meant(principal: str, caller: str) -> bool:
    """Return whether a principal includes the caller: an account all of its principals, a role all of its sessions."""
    account = caller.split(":")[4]
    if principal in {"*", account, f"arn:aws:iam::{account}:root", caller}:
        return True
    kind, _, rest = caller.rpartition(":")[2].partition("/")
    return kind == "assumed-role" and principal == f"arn:aws:iam::{account}:role/{rest.partition('/')[0]}"


def _condition(operator: str, key: str, wanted: Any, context: Mapping[str, str | None]) -> bool:
    matches = _OPERATORS.get(operator)
    value = context.get(key)
    return matches is not None and value is not None and any(matches(value, str(pattern)) for pattern in _many(wanted))


def _many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
