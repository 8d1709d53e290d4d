"""How the migration of a run has ended, also where that is known only after the run's own end."""

from typing import Self

from contracts.base import Contract
from contracts.migration import MigrationFinished, MigrationResult
from contracts.prose import Plain, Prose


class Migrated(Contract):
    """How a run's migration has ended, as recovery has published it."""

    migration_id: str
    result: MigrationResult
    sentence: Prose
    schema_may_have_changed: bool
    """False only where nothing has run."""
    revision: Plain = ""
    """The revisions of the schema that the application told afterwards; empty where it told none."""

    @classmethod
    def of(cls, event: MigrationFinished) -> Self:
        after = event.schema_after
        return cls(
            migration_id=event.migration_id,
            result=event.result,
            sentence=event.sentence,
            schema_may_have_changed=event.result != "did_not_start",
            revision=", ".join(after.revisions) if after is not None and not after.unknown else "",
        )
