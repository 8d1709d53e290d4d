"""Looks at snapshots beside each other, and beside the live service. Nothing is changed."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from contracts.base import Target
from contracts.redact import redact
from services._aws.ecs_views import EcsService
from services._aws.errors import AwsError
from services._chassis.clock import Clock, moment
from services._chassis.reasons import Impossible
from services._chassis.store import Store
from services.recovery.domain.change import Body
from services.recovery.domain.ecs_service import live_deployment
from services.recovery.domain.protection import Protection, key_of
from services.recovery.domain.snapshots.comparable import Side
from services.recovery.domain.snapshots.compare import Comparison, compare_snapshots
from services.recovery.domain.snapshots.definition_changes import definition_changes
from services.recovery.domain.snapshots.drift import Drift, good_snapshots, judge, last_good, not_judged, why_not_yet
from services.recovery.domain.snapshots.proof import ProvenSnapshot, Unproven
from services.recovery.domain.snapshots.retention import worth_reading
from services.recovery.domain.snapshots.show import scrub, view
from services.recovery.domain.snapshots.snapshot import differences
from services.recovery.domain.snapshots.snapshot_index import SnapshotEntry
from services.recovery.ports.service import Ecs
from services.recovery.ports.snapshots import Snapshots, Surroundings

MOST_BESIDE = 20
"""How many snapshots a list reads beyond those that the index knows: Redis may have been lost."""


@dataclass(frozen=True, slots=True)
class Inspect:
    ecs: Ecs
    surroundings: Surroundings
    snapshots: Snapshots
    store: Store
    clock: Clock

    async def usable(
        self, target: Target, snapshot_id: str, index: Sequence[SnapshotEntry]
    ) -> ProvenSnapshot | str | None:
        """Return a snapshot, or why it must not be used; None if it is not there any more."""
        try:
            return await self.snapshots.get(target, snapshot_id, index)
        except Unproven as why:
            return str(why)

    async def listed(self, target: Target, ids: Sequence[str]) -> dict[str, Any]:
        """Return what is shown of the stored snapshots, the newest first, and of what is not used. ``ids``: all."""
        index = (await self.store.read(key_of(target), Protection)).snapshots
        choice = worth_reading(ids, index, moment(self.clock.now()), MOST_BESIDE)
        found = await asyncio.gather(*(self.usable(target, id_, index) for id_ in choice.wanted))
        unproven = {id_: why for id_, why in zip(choice.wanted, found, strict=True) if isinstance(why, str)}
        entries = {entry.snapshot_id: entry for entry in index}
        usable = [snapshot for snapshot in found if isinstance(snapshot, ProvenSnapshot)]
        return {
            "target": str(target),
            "snapshots": [view(snapshot, entries.get(snapshot.snapshot.snapshot_id)) for snapshot in usable],
            "unusable": [{"snapshot_id": name, "why": why} for name, why in (unproven | choice.foreign).items()],
            "unread": choice.unread,
        }

    async def latest_proven(self, target: Target) -> str:
        """Return the id of the newest good snapshot from which the live service differs.

        Raise ``Impossible`` with a sentence where there is none, or where that one must not be used.
        """
        service = await self.ecs.service(target) or {}
        protection = await self.store.read(key_of(target), Protection)
        good = good_snapshots(protection, str(live_deployment(service)["id"]))
        for entry in good:
            usable = await self.usable(target, entry.snapshot_id, protection.snapshots)
            if usable is None or isinstance(usable, str):
                why = usable or "it is not in the bucket any more"
                raise Impossible(f"The newest proven snapshot, {entry.snapshot_id}, is not used: {why}. Name another.")
            if differences(usable.snapshot, service, usable.snapshot.version):
                return entry.snapshot_id
        if good:
            raise Impossible(f"{target} is as in each of its proven snapshots: there is nothing to bring back.")
        raise Impossible(f"{target} has no proven snapshot. Name one: GET /disaster-recovery/snapshots lists them.")

    async def compared(self, target: Target, before: str, after: str) -> Comparison:
        """Return what differs from one snapshot to the other. Raise ``Impossible`` where one cannot be used."""
        index = (await self.store.read(key_of(target), Protection)).snapshots
        found = await asyncio.gather(*(self.usable(target, id_, index) for id_ in (before, after)))
        sides = []
        for id_, snapshot in zip((before, after), found, strict=True):
            if snapshot is None:
                raise Impossible(f"There is no snapshot {id_} of {target}.")
            if isinstance(snapshot, str):
                raise Impossible(f"The snapshot {id_} is not used: {snapshot}.")
            sides.append(Side.of(snapshot.snapshot))
        return compare_snapshots(*sides)

    async def drift(self, target: Target) -> Drift:
        """Compare the live service with its last good snapshot. Raise ``AwsError``."""
        service = await self.ecs.service(target)
        if service is None:
            return not_judged("the service is not there")
        seen = EcsService(service)
        if seen.being_deleted is not None:
            return not_judged(seen.being_deleted)
        protection = await self.store.read(key_of(target), Protection)
        because = why_not_yet(protection, moment(self.clock.now()), rolling_out=seen.rolling_out)
        if because is not None:
            return not_judged(because)
        good = last_good(protection, str(live_deployment(service)["id"]))
        if good is None:
            return not_judged("no snapshot of it is proven: the checks after a deployment by Surefoot prove one")
        usable = await self.usable(target, good.snapshot_id, protection.snapshots)
        if usable is None or isinstance(usable, str):
            return not_judged(f"the snapshot {good.snapshot_id} is not used: {usable or 'it is not in the bucket'}")
        return judge(good.snapshot_id, Side.of(usable.snapshot), await self._live(target, service))

    async def _live(self, target: Target, service: Body) -> Side:
        """Return the live service; what it can do without and cannot be read is named."""
        version = str(live_deployment(service)["taskDefinition"])
        definition, digests, (around, unread) = await asyncio.gather(
            self.ecs.task_definition(target, version),
            self._digests(target, service),
            self.surroundings.around(target, service),
        )
        if isinstance(digests, str):
            digests, unread = {}, (*unread, digests)
        if definition is None:
            definition, unread = {}, (*unread, f"ECS does not know {version} any more")
        return Side(service, definition, digests, around, unread=unread)

    async def _digests(self, target: Target, service: Body) -> dict[str, str] | str:
        try:
            return await self.ecs.digests(target, service)
        except AwsError as failed:
            return f"the digests of its images ({failed})"

    async def plan(self, target: Target, usable: ProvenSnapshot) -> dict[str, Any]:
        """Return exactly what a rollback to the snapshot would change, as it may be shown. Raise ``AwsError``."""
        snapshot = usable.snapshot
        service = await self.ecs.service(target) or {}
        live = str(live_deployment(service)["taskDefinition"])
        definition, running = await asyncio.gather(
            self.ecs.task_definition(target, snapshot.version), self.ecs.task_definition(target, live)
        )
        then = snapshot.task_definition if live == snapshot.version else snapshot.pinned_definition
        active = definition is not None and definition.get("status") == "ACTIVE"
        changes = differences(snapshot, service, snapshot.version)
        return {
            "dry_run": True,
            "target": str(target),
            "snapshot_id": snapshot.snapshot_id,
            "proof": usable.proof,
            "changes": [
                {"setting": name, "from": scrub(now, name), "to": scrub(then, name)}
                for name, (now, then) in changes.items()
            ],
            "definition": definition_changes(running or {}, then),
            "task_definition": "used as it is, unless one of its tags names another image by now"
            if active
            else "registered again from the snapshot, with each image by its digest",
            "images": {
                container["name"]: redact(container["image"])
                for container in snapshot.pinned_definition["containerDefinitions"]
            },
        }
