"""Keeps migrations of one database apart: those of all services that name it in their policies."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from contracts.base import Target
from contracts.policy import ServicePolicy
from services._chassis.clock import Clock, moment
from services._chassis.policies import Policies
from services._chassis.store import Store
from services._chassis.transition import Decision, Transition
from services.recovery.domain.migration.database import DatabaseHeld, database_key, named, sharing
from services.recovery.domain.migration.migration import MigrateWork, Migration
from services.recovery.domain.protection import Protection, key_of


@dataclass(frozen=True, slots=True)
class TakeTurns:
    """A database belongs to the migration that was given it last, while that is under way on its own service.

    So two writes are enough, and a death between them leaves nothing: the migration is begun in the state of its
    service, then it is given the database, and it loses that by its end, which is one write in the state of its
    service. A migration that is over is never under way again. What a Redis has lost that was restored from an older
    copy is known by the states of the services, which hear of their migrations again.
    """

    store: Store
    policies: Policies
    clock: Clock

    async def in_the_way(self, target: Target, database: str) -> str:
        """Return which migration of another service is under way on a database, as a clause; empty where none is."""
        held = await self.store.read(database_key(target, database), DatabaseHeld)
        return await self._holder(held, target, database) or await self._beside(target, database)

    async def take(self, work: MigrateWork, database: str) -> str:
        """Give a migration the database; return what is in the way, as a clause, and an empty text where it has it.

        What began while Redis did not know this one is in the way, too, although the database is given.
        """
        held = await self.store.read(database_key(work.target, database), DatabaseHeld)
        if busy := await self._holder(held, work.target, database):
            return busy
        now = moment(self.clock.now())
        written = await self.store.apply(hold(work, database, held.migration_id, now), cause="")
        if written.decision.state is None:
            return f"another migration has just begun on the database {database}"
        return await self._beside(work.target, database)

    async def _holder(self, held: DatabaseHeld, target: Target, database: str) -> str:
        """Return the clause that the holder is under way on another service; empty where it is over, or none is."""
        other = held.target
        if other is None or other == target or not held.by_another("", moment(self.clock.now())):
            return ""
        migration = await self._of(other)
        same = migration is not None and migration.migration_id == held.migration_id
        return _clause(other, held.migration_id, database) if same else ""

    async def _beside(self, target: Target, database: str) -> str:
        """Return the clause that a service which is listed has a migration of the database that goes on."""
        for policy in sharing(listed(self.policies), target, database):
            migration = await self._of(policy.target)
            if migration is not None and migration.database.lower() == database.lower():
                return _clause(policy.target, migration.migration_id, database)
        return ""

    async def _of(self, target: Target) -> Migration | None:
        return (await self.store.read(key_of(target), Protection)).migration


def hold(work: MigrateWork, database: str, over: str, now: datetime) -> Transition:
    """Give the database to a migration that is under way; the decision has no state where another one has it.

    ``over``: the id of a migration that is known to be over, whoever has the database by then; empty: none.
    """

    def decide(state: bytes | None) -> Decision:
        held = DatabaseHeld.from_bytes(state)
        if held.by_another(work.migration_id, now) and held.migration_id != over:
            return Decision()
        return Decision(held.given_to(work, now).to_bytes(), expires=True)

    return Transition(database_key(work.target, database), decide)


def listed(policies: Policies) -> Iterator[ServicePolicy]:
    """Yield the policies of all services that are listed."""
    for target in policies.all():
        with suppress(LookupError):  # the policy may have been loaded anew meanwhile
            yield policies.of(target)


def _clause(target: Target, migration_id: str, database: str) -> str:
    return f"{migration_id} of {named(target)} is under way on the database {database}"
