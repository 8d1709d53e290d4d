"""Which migration may run on a database: one at a time, of all the services whose policies name it."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from contracts.base import Target
from contracts.policy import ServicePolicy
from contracts.state import State
from services.recovery.domain.migration.migration import MigrateWork

HELD = timedelta(hours=25)
"""A migration is followed for a day; an hour later it holds no database any more, whatever has become of it."""
WAIT = timedelta(minutes=10)
"""For so long a migration waits for the end of another one on its database; then it does not start."""


class DatabaseHeld(State):
    """The migration that may run on a database. It holds it for as long as it is under way on its own service, and
    ``until`` at the longest: nobody has to give it back.
    """

    target: Target | None = None
    migration_id: str = ""
    until: datetime | None = None

    def by_another(self, migration_id: str, now: datetime) -> bool:
        """Return whether another migration was given the database, and may still have it."""
        return self.migration_id not in {"", migration_id} and self.until is not None and now < self.until

    def given_to(self, work: MigrateWork, now: datetime) -> "DatabaseHeld":
        return self.replace(target=work.target, migration_id=work.migration_id, until=now + HELD)


def database_key(target: Target, database: str) -> str:
    """Return the key of the state: RDS has one instance of a name, in whatever case, in an account and region."""
    return f"migrates:{target.account}/{target.region}/{database.lower()}"


def sharing(listed: Iterable[ServicePolicy], target: Target, database: str) -> Iterator[ServicePolicy]:
    """Yield the policies of the other services that name the same database."""
    key = database_key(target, database)
    for policy in listed:
        theirs = policy.monitoring.database
        if policy.target != target and theirs is not None and database_key(policy.target, theirs) == key:
            yield policy


def remarks(listed: Iterable[ServicePolicy], policy: ServicePolicy) -> Iterator[str]:
    """Yield sentences about who else may migrate a service's database. ``listed``: the policies of all services."""
    database = policy.monitoring.database
    if database is None:
        yield (
            "The policy names no database (monitoring.database), so that no other service's migration of it is waited "
            "for."
        )
        return
    for other in sharing(listed, policy.target, database):
        if other.recovery.migrates_at_start:
            yield (
                f"{named(other.target)} migrates {database} when its tasks start (recovery.migrates_at_start): that is "
                "not kept apart from this migration."
            )


def named(target: Target) -> str:
    return f"{target.service} in {target.cluster}"
