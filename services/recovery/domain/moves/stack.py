"""The stack of CloudFormation that has made something, by its tags, and what its state means for its service."""

from collections.abc import Mapping
from typing import Any

STACK_TAG = "aws:cloudformation:stack-name"
"""CloudFormation puts it on all that it makes and that takes tags (user guide, "Resource tag"); CDK and Copilot deploy
by stacks as well. Nobody else may set it."""
STACK_MOVES = frozenset({"UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS", "ROLLBACK_IN_PROGRESS"})
"""States of a stack in which CloudFormation may change the service (API reference, Stack, StackStatus)."""


def stack_of(described: Mapping[str, Any]) -> str:
    """Return the stack that a described service or task definition belongs to; empty where its tags name none."""
    tags = {str(tag.get("key")): str(tag.get("value")) for tag in described.get("tags") or ()}
    return tags.get(STACK_TAG, "")


def of_stack(name: str, status: str) -> str:
    """Return what a stack means for its service; ``status``: empty where it is not there any more."""
    if not status:
        return f"Its tags name the stack {name} of CloudFormation, which is not there any more."
    if status.endswith("_FAILED"):
        return f"It is in the stack {name} of CloudFormation, which is stuck in {status}."
    moving = status in STACK_MOVES or status.endswith("_CLEANUP_IN_PROGRESS")
    if "ROLLBACK_IN_PROGRESS" in status:
        return f"CloudFormation takes the stack {name} back ({status}): it may bring another version and count back."
    now = "and is changing it now" if moving else "which may set version and count with its next update"
    return f"It is in the stack {name} of CloudFormation ({status}), {now}."
