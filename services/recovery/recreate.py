"""Looks what of a service is there, and plans what would be made again from a snapshot. Nothing is changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from contracts.base import Target
from services._aws.errors import AwsError
from services._chassis.reasons import Impossible
from services._chassis.store import Store
from services.recovery.domain.protection import Protection, key_of
from services.recovery.domain.recreation.recreate_parts import Part
from services.recovery.domain.recreation.recreate_plan import (
    RecreationPlan,
    Seen,
    Unread,
    ids_found,
    parts_of,
    plan_recreation,
)
from services.recovery.domain.snapshots.proof import Unproven
from services.recovery.domain.snapshots.snapshot import Snapshot, why_not_kept
from services.recovery.domain.snapshots.snapshot_index import SnapshotEntry
from services.recovery.ports import Infrastructure, Snapshots


@dataclass(frozen=True, slots=True)
class Recreate:
    infrastructure: Infrastructure
    snapshots: Snapshots
    store: Store

    async def snapshot(self, target: Target, snapshot_id: str | None) -> Snapshot:
        """Return a snapshot, by default the newest proven one; without a proven one, the newest.

        Raise ``Impossible`` with a sentence where there is none, or where it must not be used.
        """
        index = (await self.store.read(key_of(target), Protection)).snapshots
        chosen = snapshot_id or await self._newest(target, index)
        try:
            found = await self.snapshots.get(target, chosen, index)
        except Unproven as why:
            raise Impossible(f"The snapshot {chosen} is not used: {why}.") from None
        if found is None:
            raise Impossible(f"There is no snapshot {chosen} of {target}.")
        obstacle = why_not_kept(found.snapshot.service)
        if obstacle is not None:
            raise Impossible(obstacle)
        return found.snapshot

    async def _newest(self, target: Target, index: Sequence[SnapshotEntry]) -> str:
        proven = [entry.snapshot_id for entry in index if entry.proven]
        ids = proven or [entry.snapshot_id for entry in index] or await self.snapshots.ids(target)
        if not ids:
            raise Impossible(f"There is no snapshot of {target}: without one nobody knows what there was.")
        return ids[0]

    async def plan(self, snapshot: Snapshot, count: int | None, at: datetime) -> RecreationPlan:
        """Return what is there and what would be made. No error is raised: what cannot be read is in the plan.

        ``at``: when it was asked for; what a schedule was to do before that is left out.
        """
        parts, seen = await self.look(snapshot, parts_of(snapshot, at, count))
        needs = await self.infrastructure.needs(snapshot.target, snapshot, parts)
        return plan_recreation(snapshot, parts, seen, needs)

    async def look(self, snapshot: Snapshot, parts: Sequence[Part]) -> tuple[tuple[Part, ...], dict[str, Seen]]:
        """Return the parts with the ids of what is there, and what was found of each.

        One part after the other: where one has another id now, the next ones are looked for by that.
        """
        seen: dict[str, Seen] = {}
        looked: list[Part] = []
        for part in parts:
            now = part.with_ids(ids_found(parts, seen))
            looked.append(now)
            try:
                seen[part.key] = await self.infrastructure.find(snapshot.target, snapshot, now)
            except AwsError as failed:
                seen[part.key] = Unread(str(failed).rstrip("."))
        return tuple(looked), seen
