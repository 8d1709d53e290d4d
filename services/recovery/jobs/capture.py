"""Takes a snapshot, and removes from the index those that the policy does not keep."""

from dataclasses import dataclass

from contracts.base import Target, caused_id
from contracts.deployment import Cause
from contracts.gates import Gate
from contracts.policy import Recovery
from contracts.policy_parts import RecoveryPolicy
from contracts.recovery import CaptureSnapshot, SnapshotCaptured
from contracts.results import SnapshotOutput
from services._aws.ecs_views import EcsService
from services._aws.errors import AwsError
from services._chassis.clock import Clock, moment
from services._chassis.commands import Command
from services._chassis.jobs import Running
from services._chassis.policies import Policies
from services._chassis.reasons import Impossible
from services._chassis.store import Store
from services._chassis.transition import Decision, Emit, Job, Transition, decided
from services.recovery.decisions.capture import PURGE
from services.recovery.domain.change import Body
from services.recovery.domain.ecs_service import primary_of
from services.recovery.domain.protection import Protection, key_of
from services.recovery.domain.snapshots.proof import ProvenSnapshot, Unproven
from services.recovery.domain.snapshots.retention import keep, needed
from services.recovery.domain.snapshots.snapshot import Snapshot, why_not_kept
from services.recovery.domain.snapshots.snapshot_index import SnapshotEntry
from services.recovery.domain.work import CaptureWork, PurgeWork, RecoveryOperation
from services.recovery.ports.migration import Applications
from services.recovery.ports.service import Ecs
from services.recovery.ports.snapshots import Snapshots, Surroundings


@dataclass(frozen=True, slots=True)
class CaptureJob:
    ecs: Ecs
    applications: Applications
    surroundings: Surroundings
    snapshots: Snapshots
    clock: Clock
    policies: Policies
    store: Store

    async def __call__(self, running: Running) -> Transition:
        work = CaptureWork.from_bytes(running.payload)
        policy = work.policy or self.policies.of(work.target).part(RecoveryPolicy)
        try:
            before = await self._before(work, policy.recovery)
            stored = await self._stored(work, running)
        except Unproven as unproven:
            summary = (
                f"No snapshot was stored: what is there under its id, {work.snapshot_id}, is not used: {unproven}."
            )
            return self._failed(running, work, summary, Cause.ERROR)
        except Impossible as impossible:
            return self._failed(running, work, str(impossible), Cause.USAGE)
        except AwsError as failed:
            return self._failed(running, work, f"No snapshot was stored: {failed}", Cause.ERROR)
        return self._captured(running, work, stored, before, policy.recovery)

    async def _before(self, work: CaptureWork, recovery: Recovery) -> tuple[SnapshotEntry, ...]:
        """Return entries for what the bucket has already where the index is empty: Redis was lost.

        Without signatures they are believed only until the index knows one, which this job is about to change.
        """
        if (await self.store.read(key_of(work.target), Protection)).snapshots:
            return ()
        now = moment(self.clock.now())
        found = await self.snapshots.unindexed(work.target, now, recovery.keep)
        others = [proven for proven in found if proven.snapshot.snapshot_id != work.snapshot_id]
        return tuple(_entry(proven).model_copy(update={"proven": False, "adopted_at": now}) for proven in others)

    async def _stored(self, work: CaptureWork, running: Running) -> ProvenSnapshot:
        """Return the snapshot that an earlier attempt has stored; only where there is none, read the service."""
        stored = await self.snapshots.get(work.target, work.snapshot_id, ())
        if stored is not None:
            return stored
        snapshot = await self._seen(work, await self._service(work.target))
        await running.check()
        stored = await self.snapshots.put(snapshot)
        # where one is there already, an executor whose lease had run out has stored it in between
        stored = stored or await self.snapshots.get(work.target, work.snapshot_id, ())
        if stored is None:
            raise AwsError("what was stored is not there any more", temporary=True)
        return stored

    async def _service(self, target: Target) -> Body:
        """Return the service. Raise ``Impossible`` where it could not be brought back."""
        service = await self.ecs.service(target)
        if service is None:
            raise Impossible(f"There is no service {target}.")
        deletion = EcsService(service).being_deleted
        if deletion is not None:
            raise Impossible(f"No snapshot was taken: {deletion}.")
        obstacle = why_not_kept(service)
        if obstacle is not None:
            raise Impossible(obstacle)
        if EcsService(service).primary is None:
            raise AwsError("ECS lists no deployment of the service.", temporary=True)
        return service

    async def _seen(self, work: CaptureWork, service: Body) -> Snapshot:
        """Return the snapshot of the service; what it can do without and cannot be read is named in it."""
        unread: list[str] = []
        digests: dict[str, str] = {}
        revision: Body = {}
        try:
            if work.purpose == "before-change":
                # what is being rolled out, or has failed to be, is not what a rollback should bring back
                service, digests = await self.ecs.way_back(work.target, service)
            else:
                digests = await self.ecs.digests(work.target, service)
        except AwsError as failed:
            unread.append(f"the digests of its images ({failed})")
        try:
            revision = await self.ecs.revision(work.target, service)
        except AwsError as failed:
            unread.append(f"its service revision ({failed})")
        definition = await self.ecs.task_definition(work.target, service["taskDefinition"])
        if definition is None:
            raise Impossible(f"ECS does not know {service['taskDefinition']} any more.")
        around, unknown = await self.surroundings.around(work.target, service)
        watched, unwatched = await self.surroundings.watched(work.target, service, definition)
        application = self.policies.of(work.target).application
        database = await self.applications.schema(work.target, service, application)
        return Snapshot(
            snapshot_id=work.snapshot_id,
            target=work.target,
            taken_at=moment(self.clock.now()),
            run_id=work.run_id,
            purpose=work.purpose,
            service=service,
            task_definition=definition,
            digests=digests,
            surroundings=around | watched,
            revision=revision,
            database=database,
            unknown=(*unknown, *unwatched, *unread),
            actor=work.actor,
            reason=work.reason,
        )

    def _captured(
        self,
        running: Running,
        work: CaptureWork,
        snapshot: ProvenSnapshot,
        before: tuple[SnapshotEntry, ...],
        recovery: Recovery,
    ) -> Transition:
        now = moment(self.clock.now())
        stored = f"Snapshot {work.snapshot_id} is stored."
        operation = RecoveryOperation.of_capture(running.id, work).finished(stored, now, result="stored", detail=stored)
        entry = _entry(snapshot)
        emit = _published(running, work, snapshot.snapshot, entry)

        def decide(state: bytes | None) -> Decision:
            protection = Protection.from_bytes(state)
            index = protection.snapshots or before
            others = (known for known in index if known.snapshot_id != work.snapshot_id)
            kept, gone = keep((entry, *others), needed(protection), now, recovery)
            purge = PurgeWork(target=work.target, snapshot_ids=tuple(known.snapshot_id for known in gone))
            job = Job(caused_id(running.id, "purge"), PURGE, purge.to_bytes())
            return Decision(
                protection.replace(snapshots=kept).to_bytes(),
                emit=emit,
                jobs=(job,) if gone else (),
                records=operation.record,
            )

        return Transition(key_of(work.target), decide)

    def _failed(self, running: Running, work: CaptureWork, summary: str, cause: Cause) -> Transition:
        now = moment(self.clock.now())
        operation = RecoveryOperation.of_capture(running.id, work).failed(summary, now, result="failed", detail=summary)
        emit: tuple[Emit, ...] = ()
        if work.run_id is not None:
            gate = Gate.true("snapshot_stored", holds=False, detail=summary)
            emit = (_command(running, work, work.run_id).failed(summary, cause, gate),)
        return decided(*emit, records=operation.record)


def _entry(stored: ProvenSnapshot) -> SnapshotEntry:
    """Return the snapshot's entry in the index."""
    snapshot = stored.snapshot
    return SnapshotEntry(
        snapshot_id=snapshot.snapshot_id,
        task_definition=snapshot.version,
        deployment_id=primary_of(snapshot.service)["id"],
        taken_at=snapshot.taken_at,
        # a snapshot after a change is taken only once the gates have passed
        proven=snapshot.purpose == "after-change",
        sha256=stored.sha256,
        signed_with=stored.signed_with,
        schema_revisions=snapshot.database.revisions if snapshot.database else (),
    )


def _published(running: Running, work: CaptureWork, snapshot: Snapshot, entry: SnapshotEntry) -> tuple[Emit, ...]:
    """Return the event about the snapshot, and the answer to the command if there is one."""
    event = SnapshotCaptured(
        target=work.target,
        run_id=work.run_id,
        snapshot_id=work.snapshot_id,
        task_definition=entry.task_definition,
        deployment_id=entry.deployment_id,
        taken_at=entry.taken_at,
        proven=entry.proven,
        sha256=entry.sha256,
        actor=work.actor,
        reason=work.reason,
    )
    captured = Emit(event, caused_id(running.id, "snapshot-captured"))
    if work.run_id is None:
        return (captured,)
    missing = f"; without {'; '.join(snapshot.unknown)}" if snapshot.unknown else ""
    answer = _command(running, work, work.run_id).passed(
        f"Snapshot {work.snapshot_id} is stored{missing}.",
        Gate.true("snapshot_stored", holds=True, detail=work.snapshot_id),
        output=SnapshotOutput(snapshot_id=work.snapshot_id),
    )
    return captured, answer


def _command(running: Running, work: CaptureWork, run_id: str) -> Command:
    digest = work.policy.digest if work.policy else ""
    return Command.to(CaptureSnapshot, work.target, run_id, running.id, digest)
