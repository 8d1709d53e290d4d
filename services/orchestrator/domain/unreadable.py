"""Requests that do not fit their contract: the headers name their sender, who gets an answer that no run begins."""

import json
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from contracts.base import Target
from contracts.catalogue import entry_of
from contracts.deployment import Cause, DeploymentFinished, DeployRequested, Outcome
from services.orchestrator.domain.request_name import RequestName

_REQUEST = entry_of(DeployRequested).name
LONGEST_HEADER = 1000
"""The most characters of an id or a source, from which a run's id derives; what is longer counts as none."""


def name_of(headers: Iterable[tuple[str, bytes | None]], value: bytes | None, key: bytes | None) -> RequestName | None:
    """Return whose request it is, and about what; None where its sender or its target is not known.

    The target is that of the content, else that of the key. A message whose type is not that of a request for a
    deployment has no run.
    """
    attributes = {name: _text(text) for name, text in headers}
    type_ = attributes.get("ce_type") or _REQUEST
    id_, source = attributes.get("ce_id"), attributes.get("ce_source")
    target = _target_of(value) or _target_of_key(key)
    if type_.partition(".")[0] != _REQUEST or not id_ or not source or target is None:
        return None
    return RequestName(target, source, id_)


def refusal_of(target: Target, run_id: str, why: str) -> DeploymentFinished:
    """Return the end of the run that will not begin. ``why`` must not quote the message."""
    return DeploymentFinished(
        target=target,
        run_id=run_id,
        outcome=Outcome.FAILED,
        cause=Cause.USAGE,
        reason=f"The request cannot be read, and nothing was changed: {why}. Correct it and send it under a new id.",
        seconds=0,
    )


def _text(value: bytes | None) -> str:
    """Return a header's text; empty where it is no text or too long for an id."""
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
