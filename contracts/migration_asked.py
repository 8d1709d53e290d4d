"""What a request for a migration names."""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from contracts.prose import plain

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
