"""An application that tells what schema its database has, before a migration and after it."""

from collections.abc import Callable

from contracts.base import Target
from contracts.policy import Application
from contracts.schema_status import SchemaStatus
from services.recovery.domain.change import Body

SILENT = SchemaStatus(unknown="the application tells nothing of its migrations")


class FakeApplication:
    """It tells ``before`` until ``migrated`` says that a migration is over, and then each of ``after`` in turn."""

    def __init__(self, migrated: Callable[[], bool] = lambda: False) -> None:
        self.migrated = migrated
        self.before = SILENT
        self.after: list[SchemaStatus] = []
        """The last one stays; none: as before."""
        self.asked = 0

    async def schema(self, target: Target, service: Body, application: Application) -> SchemaStatus:
        self.asked += 1
        if not self.migrated() or not self.after:
            return self.before
        return self.after.pop(0) if len(self.after) > 1 else self.after[0]


def at(*revisions: str, **told: object) -> SchemaStatus:
    """Return what an application tells whose database is at these revisions; ready, unless it is told otherwise."""
    return SchemaStatus.model_validate({"revisions": revisions, "ready": True, **told})
