"""Looks at the ways back of every service, one after another: are they there, and has the service drifted from them?

It is one job for all services, so that it takes one place among the jobs, and a rollback never waits for it.
"""

from dataclasses import dataclass

import structlog

from contracts.base import Target
from contracts.state import NewerState
from services._aws.errors import AwsError
from services._chassis.clock import Clock, moment
from services._chassis.jobs import Running
from services._chassis.policies import Policies, why_not_governed
from services._chassis.store import Store
from services._chassis.transition import Transition, decided
from services.recovery.assess import Assess
from services.recovery.decisions.watch import (
    WATCH,
    Watched,
    is_due,
    note_drift,
    note_elsewhere,
    note_readiness,
    watched_key,
)
from services.recovery.domain.recreation.move import Move
from services.recovery.inspect import Inspect
from services.recovery.jobs.due_drills import DUE_DRILLS
from services.recovery.jobs.rounds import Rounds, is_governed
from services.recovery.ports.snapshots import Snapshots
from services.recovery.recreate import Recreate

EVERY_SECONDS = 3600.0
"""Product seconds between two looks at a service. Its reads cost what docs/operations.md says."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class WatchJob:
    inspect: Inspect
    assess: Assess
    snapshots: Snapshots
    store: Store
    clock: Clock
    policies: Policies
    recreate: Recreate

    async def __call__(self, running: Running) -> Transition:
        """Look at one service after another. One that cannot be looked at now is looked at the next time."""
        done = running.saved.decode() if running.saved else ""
        for target in await self.snapshots.targets():
            if str(target) > done and is_governed(self.policies, target):
                await running.check()
                await self._look(running, target)
                await self._look_elsewhere(running, target)
                await running.checkpoint(str(target).encode())
        return decided()

    async def _look(self, running: Running, target: Target) -> None:
        try:
            drift = await self.inspect.drift(target)
            now = moment(self.clock.now())
            await self.store.apply(note_drift(target, drift, running.id, now), cause="")
            found = await self.assess.readiness(target)
            if found is not None:
                await self.store.apply(note_readiness(target, found, running.id, now), cause="")
        except (AwsError, NewerState) as error:
            log.info("the ways back of a service are looked at the next time", target=str(target), why=str(error))

    async def _look_elsewhere(self, running: Running, target: Target) -> None:
        """Look whether it could be made in the other place; its own place may be lost meanwhile."""
        try:
            wanted, now = self.policies.of(target).elsewhere, moment(self.clock.now())
            there = wanted.place(target)
            place = "" if there is None else f"{there} {' '.join(wanted.names)}".strip()
            seen = (await self.store.read(watched_key(target), Watched)).elsewhere_seen
            if there is None and seen is None:
                return
            found = None
            if there is not None:
                if not is_due(seen, place, now):
                    return
                move = Move(target, there, wanted.stand_ins)
                found = await self.recreate.elsewhere(move, now, why_not_governed(self.policies, there))
            await self.store.apply(note_elsewhere(target, place, found, running.id, now), cause="")
        except (AwsError, NewerState) as error:
            log.info("another place is looked at the next time", target=str(target), why=str(error))


def watch_rounds(store: Store, clock: Clock) -> Rounds:
    """Return what begins a look at all ways back every hour, and the drills that are due."""
    return Rounds(store, clock, EVERY_SECONDS, (WATCH, DUE_DRILLS))
