"""Deletes snapshots that are not in the index any more; an object that is left over only takes up space."""

from dataclasses import dataclass

from contracts.audit import Act
from contracts.base import caused_id
from services._chassis.audit.acts import Audited
from services._chassis.jobs import Running
from services._chassis.transition import Transition, decided
from services.recovery.domain.work import PurgeWork
from services.recovery.ports.snapshots import Snapshots


@dataclass(frozen=True, slots=True)
class PurgeJob:
    snapshots: Snapshots

    async def __call__(self, running: Running) -> Transition:
        work = PurgeWork.from_bytes(running.payload)
        for snapshot_id in work.snapshot_ids:
            await running.check()
            await self.snapshots.delete(work.target, snapshot_id)
        details = tuple(f"snapshot {snapshot_id}" for snapshot_id in work.snapshot_ids)
        id_ = caused_id(running.id, "snapshots-deleted")
        why = "older than the policy keeps them, or in no index"
        return decided(audit=(Audited(Act.SNAPSHOTS_DELETED, id_, work.target, why=why, details=details),))
