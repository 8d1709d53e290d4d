"""What a request for a migration names."""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from contracts.base import Contract
from contracts.prose import Plain, plain

UPGRADE = ("alembic", "upgrade", "head")
"""The command of the requirements (docs/requirements.md), where a request names none."""
MOST_WORDS = 50
LONGEST_COMMAND = 4000
"""Characters of all words together; RunTask takes 8192 of overrides (Amazon ECS API reference, RunTask)."""


def _fits(words: tuple[str, ...]) -> tuple[str, ...]:
    if sum(map(len, words)) > LONGEST_COMMAND:
        raise ValueError(f"a command has {LONGEST_COMMAND} characters at most")
    if any(word != plain(word) for word in words):
        raise ValueError("a command has no control characters")
    return words


MigrationCommand = Annotated[
    tuple[Annotated[str, StringConstraints(min_length=1, max_length=1000)], ...],
    Field(min_length=1, max_length=MOST_WORDS),
    AfterValidator(_fits),
]
"""The words of the command that migrates, as ``["alembic", "upgrade", "head"]``. No secret belongs here."""


class MigrationAsked(Contract):
    """A migration that runs before a change, with the image that is to be deployed."""

    command: MigrationCommand = UPGRADE
    container: Annotated[Plain, StringConstraints(max_length=255)] = ""
    """The container that migrates; empty: the one whose image changes, that serves, or the only one."""
    timeout_minutes: Annotated[float, Field(ge=1, le=1440)] | None = None
    """For so long it is waited for; None: as the policy has it (``recovery.migration_minutes``)."""
    compatible: bool = False
    """Whether the version before works, and starts, with the schema that it leaves: then one can go back over it."""
