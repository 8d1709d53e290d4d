"""Whether a change brings what the policy does not allow: said here early, decided by recovery right before it."""

from contracts.change_scope import TaskVersion, why_not_permitted
from contracts.gates import Gate
from contracts.policy import ChangeScope
from services.validator.domain.facts import Absent, TaskDefinition, Unknown

PERMITTED = "change_permitted"


def permitted_gate(
    live: TaskDefinition | Absent | Unknown, new: TaskDefinition, allowed: ChangeScope | None
) -> tuple[Gate, ...]:
    """Return the gate ``change_permitted``; none where the command says nothing of what is allowed (None)."""
    if allowed is None:
        return ()
    if not isinstance(live, TaskDefinition):
        detail = f"what the change brings is not known: {live.detail}"
        return (Gate.true(PERMITTED, None, samples=0, detail=detail),)
    why = why_not_permitted(_version(live), _version(new), allowed)
    return (Gate.true(PERMITTED, why is None, detail=why or "repositories, family and roles are permitted"),)


def _version(definition: TaskDefinition) -> TaskVersion:
    return TaskVersion(definition.family, definition.images, definition.task_role, definition.execution_role)
