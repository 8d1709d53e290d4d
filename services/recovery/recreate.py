"""Looks what of a service is there, and plans what would be made again from a snapshot. Nothing is changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from contracts.base import Target
from contracts.prose import quote
from services._aws.errors import AwsError
from services._chassis.reasons import Impossible
from services._chassis.store import Store
from services.recovery.domain.drill.drill_recreation import Looked
from services.recovery.domain.protection import Protection, key_of
from services.recovery.domain.recreation.elsewhere import Elsewhere, judge
from services.recovery.domain.recreation.move import (
    Besides,
    Move,
    moved,
    not_carried_over,
    runs_there,
    unknown_names,
)
from services.recovery.domain.recreation.recreate_discovery import taken, wanted_names
from services.recovery.domain.recreation.recreate_parts import OF_OTHERS, Kind, Part
from services.recovery.domain.recreation.recreate_plan import (
    Found,
    RecreationPlan,
    Seen,
    Unread,
    ids_found,
    is_made,
    parts_of,
    plan_recreation,
)
from services.recovery.domain.recreation.recreation import Recreation
from services.recovery.domain.snapshots.proof import Unproven
from services.recovery.domain.snapshots.snapshot import Snapshot, why_not_kept
from services.recovery.domain.snapshots.snapshot_index import SnapshotEntry
from services.recovery.ports.recreation import Infrastructure
from services.recovery.ports.snapshots import Snapshots


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be made of a snapshot."""

    move: Move
    at: datetime
    """When it was asked for; what a schedule was to do before that is left out."""
    count: int | None = None
    """The tasks that are wanted; None: as many as when the snapshot was taken."""

    @classmethod
    def of(cls, target: Target, recreation: Recreation) -> Self:
        move = Move(recreation.source or target, target, recreation.names)
        return cls(move, recreation.asked_at, recreation.count)


@dataclass(frozen=True, slots=True)
class Recreate:
    infrastructure: Infrastructure
    snapshots: Snapshots
    store: Store

    async def snapshot(self, source: Target, snapshot_id: str | None) -> Snapshot:
        """Return a snapshot, by default the newest proven one; without a proven one, the newest.

        Raise ``Impossible`` with a sentence where there is none, or where it must not be used.
        """
        index = (await self.store.read(key_of(source), Protection)).snapshots
        chosen = snapshot_id or await self._newest(source, index)
        try:
            found = await self.snapshots.get(source, chosen, index)
        except Unproven as why:
            raise Impossible(f"The snapshot {chosen} is not used: {why}.") from None
        if found is None:
            raise Impossible(f"There is no snapshot {chosen} of {source}.")
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

    async def plan(self, snapshot: Snapshot, wish: Wish) -> RecreationPlan:
        """Return what is there and what would be made. No error is raised: what cannot be read is in the plan.

        ``snapshot``: as it was taken.
        """
        besides = runs_there(wish.move, await self._wanted_there(wish.move))
        return await self._planned(snapshot, wish, besides, looks_for_names=True)

    async def elsewhere(self, move: Move, at: datetime, governed: str = "") -> Elsewhere:
        """Return whether it could be made there from the last good snapshot, were its own place lost.

        ``governed``: why Surefoot may not act there, a sentence. Raise ``AwsError`` where the bucket does not answer.
        """
        try:
            snapshot = await self.snapshot(move.source, None)
        except Impossible as why:
            return Elsewhere(move.target, False, (str(why),))
        # in its own region its names are its own, as long as its place is not lost
        plan = await self._planned(snapshot, Wish(move, at), Besides(), looks_for_names=move.to_another_region)
        return judge(move, snapshot.snapshot_id, plan, governed)

    async def _planned(
        self, snapshot: Snapshot, wish: Wish, besides: Besides, *, looks_for_names: bool
    ) -> RecreationPlan:
        there = moved(snapshot, wish.move)
        unknown = unknown_names(snapshot, wish.move.names)
        refused = (f"The snapshot names no {quote(name)}, for which something else would stand." for name in unknown)
        wanted = parts_of(there, wish.at, wish.count)
        besides += Besides(tuple(refused)) + not_carried_over(wish.move, snapshot, wanted)
        parts, seen = await self.look(there, wanted)
        besides += await self._names(there.target, parts, seen) if looks_for_names else Besides()
        made = [part for part in parts if is_made(seen[part.key])]
        needs = await self.infrastructure.needs(there.target, there, parts, made)
        return plan_recreation(there, parts, seen, needs, besides)

    async def could(self, snapshot: Snapshot, at: datetime) -> Looked:
        """Return whether everything of the service could be made, if all of it were gone. No error is raised."""
        parts, seen = await self.look(snapshot, parts_of(snapshot, at))
        stays = {part.key: seen[part.key] if part.kind in OF_OTHERS else None for part in parts}
        needs = await self.infrastructure.needs(snapshot.target, snapshot, parts, parts)
        gone = plan_recreation(snapshot, parts, stays, needs)
        looked = [(part, seen[part.key]) for part in parts]
        unread = (
            f"Whether {part.called} is there is not known: {found.why}."
            for part, found in looked
            if isinstance(found, Unread)
        )
        return Looked(gone, tuple(unread), await self.infrastructure.may_make(snapshot.target))

    async def _names(self, target: Target, parts: Sequence[Part], seen: Mapping[str, Seen]) -> Besides:
        """Return who has the names that a service needs which is not there. One that is has them itself."""
        found = ((part, seen[part.key]) for part in parts if part.kind is Kind.NAMESPACE)
        there = {known.id: part.name for part, known in found if isinstance(known, Found)}
        service = next(part for part in parts if part.kind is Kind.SERVICE)
        wanted = wanted_names(service, there) if seen[service.key] is None else None
        return Besides() if wanted is None else taken(wanted, await self.infrastructure.names(target, wanted.arn))

    async def _wanted_there(self, move: Move) -> int | None:
        """Return how many tasks the service that the snapshot is of wants; None where AWS does not say."""
        if not move.elsewhere:
            return 0
        try:
            return await self.infrastructure.wanted_tasks(move.source)
        except AwsError:
            return None

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
