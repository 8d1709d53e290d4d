"""Tends the stored snapshots once a day: adopts and signs those that are not signed, and deletes what is too old.

It is one job for all services, so that it takes one place among the jobs, and a rollback never waits for it.
"""

from dataclasses import dataclass
from typing import Protocol

import structlog

from contracts.audit import Act
from contracts.base import Target, caused_id, id_of
from contracts.state import NewerState
from services._aws.errors import AwsError
from services._chassis.audit.acts import Audited
from services._chassis.clock import Clock, moment
from services._chassis.jobs import Running
from services._chassis.policies import Policies
from services._chassis.readiness import Readiness
from services._chassis.store import Store
from services._chassis.transition import Decision, Job, Transition, decided
from services.recovery.decisions.capture import PURGE, TEND
from services.recovery.domain.protection import Protection, key_of
from services.recovery.domain.snapshots.proof import ProvenSnapshot, Unproven
from services.recovery.domain.snapshots.retention import keep, left_over, needed
from services.recovery.domain.snapshots.snapshot_index import SnapshotEntry
from services.recovery.domain.work import PurgeWork
from services.recovery.ports.snapshots import Snapshots

EVERY_SECONDS = 3600.0
"""Product seconds between two looks at the bucket, and at whether the job of the day has begun."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class TendJob:
    snapshots: Snapshots
    store: Store
    clock: Clock
    policies: Policies

    async def __call__(self, running: Running) -> Transition:
        """Tend one service after another. One that cannot be tended now is left for tomorrow."""
        done = running.saved.decode() if running.saved else ""
        for target in await self.snapshots.targets():
            if str(target) > done:
                await self._tend(running, target)
                await running.checkpoint(str(target).encode())
        return decided()

    async def _tend(self, running: Running, target: Target) -> None:
        try:
            protection = await self.store.read(key_of(target), Protection)
            for entry in protection.snapshots:
                await self._adopt(running, target, entry)
            ids = await self.snapshots.ids(target)
            await running.check()
            await self._retire(running, target, ids)
        except (AwsError, NewerState) as error:
            log.warning("the snapshots of a service are tended tomorrow", target=str(target), why=str(error))

    async def _adopt(self, running: Running, target: Target, entry: SnapshotEntry) -> None:
        """Take the hash of a snapshot of before signatures, and sign what this service's key has not signed."""
        own = self.snapshots.own_key
        if entry.sha256 and entry.signed_with == own:
            return
        await running.check()
        try:
            proven = await self.snapshots.adopt(target, entry.snapshot_id, (entry,))
        except Unproven as why:
            log.warning("a snapshot is not used", target=str(target), snapshot=entry.snapshot_id, why=str(why))
            return
        if proven is not None:
            log.info("a snapshot is adopted", target=str(target), snapshot=entry.snapshot_id, sha256=proven.sha256)
            await self.store.apply(adopt(target, proven, self.clock), cause="")

    async def _retire(self, running: Running, target: Target, ids: list[str]) -> None:
        """Remove from the index what the policy does not keep, and delete it; a service without a policy keeps all."""
        try:
            recovery = self.policies.of(target).recovery
        except LookupError:
            return
        now = moment(self.clock.now())

        def decide(state: bytes | None) -> Decision:
            protection = Protection.from_bytes(state)
            kept, gone = keep(protection.snapshots, needed(protection), now, recovery)
            old = (*(entry.snapshot_id for entry in gone), *left_over(ids, protection.snapshots, now, recovery))
            if not old:
                return Decision()
            purge = PurgeWork(target=target, snapshot_ids=old)
            job = Job(caused_id(running.id, f"purge:{target}"), PURGE, purge.to_bytes())
            return Decision(protection.replace(snapshots=kept).to_bytes() if gone else None, jobs=(job,))

        await self.store.apply(Transition(key_of(target), decide), cause="")


class Protections(Protocol):
    async def faults(self) -> list[str]:
        """Return a clause for each protection that the bucket lacks."""
        ...


@dataclass(frozen=True, slots=True)
class Housekeeping:
    """Begins the job once a day, whichever replica comes first, and looks at the bucket. Nothing waits for it."""

    store: Store
    clock: Clock
    bucket: Protections
    readiness: Readiness

    async def run(self) -> None:
        while True:
            await self.once()
            await self.clock.sleep(EVERY_SECONDS)

    async def once(self) -> None:
        day = f"{moment(self.clock.now()):%Y-%m-%d}"
        await self.store.apply(decided(jobs=(Job(f"{TEND}:{day}", TEND),)), cause=f"{TEND}:{day}")
        faults = "; ".join(await self.bucket.faults())
        self.readiness.report("backup-bucket", faults and f"the bucket of the snapshots: {faults}")


def adopt(target: Target, proven: ProvenSnapshot, clock: Clock) -> Transition:
    """Return the transition that keeps what is known of a snapshot's bytes: from now on it must be these."""
    now, snapshot_id = moment(clock.now()), proven.snapshot.snapshot_id

    def decide(state: bytes | None) -> Decision:
        protection = Protection.from_bytes(state)
        adopted = protection.adopted(snapshot_id, proven.sha256, proven.signed_with, now)
        if adopted == protection:
            return Decision()
        id_ = id_of("adopted", str(target), snapshot_id, proven.sha256, proven.signed_with)
        details = (f"snapshot {snapshot_id}", f"sha256 {proven.sha256}")
        audited = Audited(Act.SNAPSHOT_ADOPTED, id_, target, details=details)
        return Decision(adopted.to_bytes(), audit=(audited,))

    return Transition(key_of(target), decide)
