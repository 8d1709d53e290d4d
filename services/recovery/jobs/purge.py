"""Deletes snapshots that are not in the index any more; an object that is left over only takes up space."""

from dataclasses import dataclass

from services._chassis.jobs import Running
from services._chassis.transition import Transition, decided
from services.recovery.domain.work import PurgeWork
from services.recovery.ports import Snapshots


@dataclass(frozen=True, slots=True)
class PurgeJob:
    snapshots: Snapshots

    async def __call__(self, running: Running) -> Transition:
        work = PurgeWork.from_bytes(running.payload)
        for snapshot_id in work.snapshot_ids:
            await running.check()
            await self.snapshots.delete(work.target, snapshot_id)
        return decided()
