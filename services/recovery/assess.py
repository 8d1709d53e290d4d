"""Looks whether one can go back: what each snapshot needs to start again is looked up, and nothing is changed."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from contracts.base import Target
from contracts.rollout_pace import RolloutPace
from services._aws.ecs_views import EcsService
from services._aws.errors import AwsError
from services._aws.measure_pace import described_pace
from services._aws.task_definition import EcsTaskDefinition
from services._chassis.clock import Clock
from services._chassis.store import Store
from services.recovery.domain.change import Body
from services.recovery.domain.ecs_service import live_deployment
from services.recovery.domain.fargate_room import quota_warning, surge_of
from services.recovery.domain.image_expiry import Deletion
from services.recovery.domain.protection import Protection, key_of
from services.recovery.domain.readiness import Readiness, Room, WayBack, ahead, behind, good_ones, judge
from services.recovery.domain.recovery_plans import plans
from services.recovery.domain.scaling.scaling import last_measured
from services.recovery.domain.snapshots.drift import last_good
from services.recovery.domain.snapshots.proof import ProvenSnapshot, Unproven
from services.recovery.domain.snapshots.snapshot import Snapshot, why_not_kept
from services.recovery.domain.snapshots.snapshot_index import SnapshotEntry
from services.recovery.ports.readiness import Needs, Outlook
from services.recovery.ports.service import Ecs
from services.recovery.ports.snapshots import Snapshots

MOST_EXAMINED = 20
"""How many snapshots are examined, the newest first, besides those that are good."""
SAFETY_SECONDS = 5.0
"""Real seconds for which a rollback by hand waits for what is known of its snapshot."""
LATELY = 900.0
"""Seconds for which it counts that ECS found no place for a task."""
_NO_PLACE = re.compile(r"limit on the number of (vCPUs|tasks)|vCPU limit|reached the limit", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Assess:
    ecs: Ecs
    snapshots: Snapshots
    needs: Needs
    outlook: Outlook
    store: Store
    clock: Clock

    async def readiness(self, target: Target) -> Readiness | None:
        """Return whether one can go back; None where there is no service. Raise ``AwsError`` without ECS."""
        service = await self.ecs.service(target)
        if service is None:
            return None
        protection = await self.store.read(key_of(target), Protection)
        live = live_deployment(service)
        last = last_good(protection, str(live["id"]))
        taken_back = frozenset(
            entry.snapshot_id
            for entry in protection.snapshots
            if protection.taken_back(entry.deployment_id, entry.task_definition) is not None
        )
        good = good_ones(protection.snapshots, last, taken_back)
        newest = sorted(protection.snapshots, key=lambda entry: entry.taken_at, reverse=True)
        chosen = [entry for place, entry in enumerate(newest) if place < MOST_EXAMINED or entry.snapshot_id in good]
        found, pace_of = await self._ways(target, service, chosen)
        ways = [behind(way, protection.why_not_over_schema(way.entry.taken_at)) for way in found]
        ways = await self._with_outlook(target, service, ways, {id_: pace_of[id_] for id_ in good if id_ in pace_of})
        first = next((way for way in ways if way.entry.snapshot_id in good), None)
        snapshot = pace_of.get(first.entry.snapshot_id) if first else None
        pace = None
        if snapshot is not None:
            pace = await self.ecs.pace(target, _restored(service, snapshot), snapshot.task_definition)
        scaled = last_measured(protection.scaling, protection.past_scalings)
        return Readiness(tuple(ways), good, plans(pace, protection.past, protection.past_drills, scaled))

    async def _with_outlook(
        self, target: Target, service: Body, ways: Sequence[WayBack], good: Mapping[str, Snapshot]
    ) -> list[WayBack]:
        """Return the ways back with what may take the good ones away before they are needed."""
        found = await asyncio.gather(*(self._outlook(target, service, snapshot) for snapshot in good.values()))
        warnings = dict(zip(good, found, strict=True))
        return [way if way.can is False else ahead(way, *warnings.get(way.entry.snapshot_id, ((), ""))) for way in ways]

    async def _outlook(self, target: Target, service: Body, snapshot: Snapshot) -> tuple[tuple[Deletion, ...], str]:
        """Return what becomes of its images, and what is to be told of the quota; empty where there is room."""
        seen = EcsService(_restored(service, snapshot))
        expiring = await self.outlook.expiring(target, snapshot)
        surge = surge_of(described_pace(seen), EcsTaskDefinition(snapshot.task_definition).cpu or 0)
        if not seen.on_fargate or seen.is_daemon or surge <= 0:
            return expiring, ""
        vcpus = await self.outlook.vcpus(target, spot=seen.capacity_providers == {"FARGATE_SPOT"})
        return expiring, quota_warning(vcpus, surge)

    async def safety(self, target: Target, snapshot: Snapshot) -> WayBack:
        """Return whether what a snapshot needs is there, within ``SAFETY_SECONDS``: a rollback waits for it."""
        entry = SnapshotEntry(
            snapshot_id=snapshot.snapshot_id, task_definition=snapshot.version, taken_at=snapshot.taken_at
        )
        try:
            async with asyncio.timeout(SAFETY_SECONDS):
                [needs] = await self.needs.of(target, [snapshot])
        except TimeoutError:
            return WayBack(entry, None, ("AWS did not answer in time",))
        # how much room there is changes with the rollback itself
        return judge(entry, needs, Room(RolloutPace(tasks=0)), live=False)

    async def _ways(
        self, target: Target, service: Body, entries: Sequence[SnapshotEntry]
    ) -> tuple[list[WayBack], dict[str, Snapshot]]:
        live = str(live_deployment(service)["taskDefinition"])
        found = await asyncio.gather(*(self._stored(target, entry, entries) for entry in entries))
        usable = {
            entry.snapshot_id: seen.snapshot
            for entry, seen in zip(entries, found, strict=True)
            if isinstance(seen, ProvenSnapshot)
        }
        needed = await self.needs.of(target, list(usable.values()))
        needs = dict(zip(usable, needed, strict=True))
        obstacle = EcsService(service).being_deleted or why_not_kept(service)
        ways = []
        for entry, seen in zip(entries, found, strict=True):
            of_live = entry.task_definition == live
            if isinstance(seen, WayBack):
                ways.append(seen)
            elif obstacle is not None:
                ways.append(WayBack(entry, False, (_clause(obstacle),), live=of_live))
            else:
                room = self._room(service, seen.snapshot)
                ways.append(judge(entry, needs[entry.snapshot_id], room, live=of_live))
        return ways, usable

    async def _stored(
        self, target: Target, entry: SnapshotEntry, index: Sequence[SnapshotEntry]
    ) -> ProvenSnapshot | WayBack:
        try:
            found = await self.snapshots.get(target, entry.snapshot_id, index)
        except Unproven as why:
            return WayBack(entry, False, (f"the snapshot is not used: {why}",))
        except AwsError as error:
            return WayBack(entry, None, (f"the snapshot could not be read ({error})",))
        return found or WayBack(entry, False, ("the snapshot is not in the bucket any more",))

    def _room(self, service: Body, snapshot: Snapshot) -> Room:
        seen, now = EcsService(_restored(service, snapshot)), self.clock.now()
        lately = (event for event in seen.events if event.created_at is not None and now - event.created_at <= LATELY)
        no_place = next((event.message for event in lately if _NO_PLACE.search(event.message)), "")
        return Room(
            described_pace(seen),
            rolling=not seen.is_daemon,
            spot_alone=seen.capacity_providers == {"FARGATE_SPOT"},
            no_place=no_place,
        )


def _restored(service: Body, snapshot: Snapshot) -> Body:
    """Return the service as a rollback to the snapshot would have it; how many tasks run stays."""
    kept = ("deploymentConfiguration", "capacityProviderStrategy", "loadBalancers")
    return {**service, **{name: snapshot.service[name] for name in kept if snapshot.service.get(name)}}


def _clause(sentence: str) -> str:
    text = sentence.rstrip(".")
    return f"{text[:1].lower()}{text[1:]}"
