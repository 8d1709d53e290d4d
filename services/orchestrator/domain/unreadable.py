"""Requests that do not fit their contract: who asked stands in the headers, and is told that no run comes of it."""

import json
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from contracts.base import Target, caused_id
from contracts.catalogue import entry_of
from contracts.deployment import Cause, DeploymentFinished, DeployRequested, Outcome

_REQUEST = entry_of(DeployRequested).name
LONGEST_HEADER = 1000
"""Characters of an id or a source; a run's id derives from both, and nobody has longer ones."""


def refusal_of(
    headers: Iterable[tuple[str, bytes | None]], value: bytes | None, key: bytes | None, why: str
) -> DeploymentFinished | None:
    """Return the end of the run that was asked for in vain; None where it cannot be told which run, or of what.

    ``why`` must not quote the message. It takes an id, a source and a target (of the content, else of the key). What
    says that it is something other than a request for a deployment has no run.
    """
    attributes = {name: _text(text) for name, text in headers}
    type_ = attributes.get("ce_type") or _REQUEST
    id_, source = attributes.get("ce_id"), attributes.get("ce_source")
    target = _target_of(value) or _target_of_key(key)
    if type_.partition(".")[0] != _REQUEST or not id_ or not source or target is None:
        return None
    return DeploymentFinished(
        target=target,
        run_id=caused_id(source, id_),
        outcome=Outcome.FAILED,
        cause=Cause.USAGE,
        reason=f"The request cannot be read, and nothing was changed: {why}. Correct it and send it under a new id.",
        seconds=0,
    )


def _text(value: bytes | None) -> str:
    """What a header says; empty where it says nothing that could be an id of ours."""
    try:
        text = (value or b"").decode()
    except UnicodeDecodeError:
        return ""
    return text if len(text) <= LONGEST_HEADER else ""


def _target_of(value: bytes | None) -> Target | None:
    try:
        content: Any = json.loads(value or b"")
        return Target.model_validate(content["target"])
    except (ValueError, ValidationError, LookupError, TypeError, RecursionError):
        return None


def _target_of_key(key: bytes | None) -> Target | None:
    try:
        return Target.parse((key or b"").decode())
    except ValueError:
        return None
