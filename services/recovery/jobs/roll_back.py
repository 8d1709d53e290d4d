"""Brings a snapshot back: look at the service, decide the next move, make it, and look again until it is over."""

from dataclasses import dataclass, field
from math import inf

from contracts.recovery import KnownVersion, RollBack
from contracts.rollout_pace import RolloutPace
from services._aws.ecs_views import EcsService
from services._aws.errors import AwsError
from services._aws.optional_reads import OptionalReads
from services._chassis.clock import Clock, moment
from services._chassis.commands import Command
from services._chassis.jobs import Running
from services._chassis.policies import Policies
from services._chassis.store import Store
from services._chassis.tasks import both
from services._chassis.transition import Transition, decided
from services.recovery.decisions.roll_back import OVERDUE, OVERDUE_MARGIN, end_rollback, note_step, wait_until
from services.recovery.domain.change import Body
from services.recovery.domain.ecs_service import live_deployment
from services.recovery.domain.moves.stack import stack_of
from services.recovery.domain.protection import Armed, OurChange, Protection, RollingBack, key_of
from services.recovery.domain.rollback.observed import Observed
from services.recovery.domain.rollback.plan_of import plan_of
from services.recovery.domain.rollback.roll_back import (
    POLL_SECONDS,
    Done,
    Failed,
    Move,
    Plan,
    Restore,
    Superseded,
    Wait,
    WaitForEcs,
    next_move,
    restores_all,
)
from services.recovery.domain.rollback.stack import StackSeen
from services.recovery.domain.rollback.steps import Reached
from services.recovery.domain.snapshots.known_version import Versions, exchanged
from services.recovery.domain.snapshots.proof import Unproven
from services.recovery.domain.snapshots.snapshot import Snapshot, by_hand, update_parameters
from services.recovery.domain.work import RollbackProgress, RollbackWork
from services.recovery.jobs.find_changes import changes_back
from services.recovery.jobs.find_replaced import find_replaced
from services.recovery.jobs.find_snapshot import find_snapshot
from services.recovery.jobs.find_tools import watches_stacks, with_tools
from services.recovery.jobs.find_version import VersionFinder
from services.recovery.observe import RollbackObserver, baseline_of
from services.recovery.ports.moves import Stacks
from services.recovery.ports.service import Balancers, Ecs, Images
from services.recovery.ports.snapshots import Snapshots

REFUSED_SECONDS = 120.0
"""Product seconds for which AWS may refuse before the rollback ends as failed: permissions and credentials may take
effect late, too."""
KEPT_SECONDS = 30.0
"""Product seconds: so often the time of a look is kept, for the next executor to know since when nobody has looked."""


@dataclass(frozen=True, slots=True)
class RollbackJob:
    ecs: Ecs
    balancers: Balancers
    images: Images
    stacks: Stacks
    snapshots: Snapshots
    policies: Policies
    store: Store
    clock: Clock
    settle_seconds: float
    """Product seconds after which a call that the change had begun cannot reach AWS any more."""

    async def __call__(self, running: Running) -> Transition:
        """Return the result. After a temporary fault it tries again, until the deadline ends the rollback as failed."""
        work = RollbackWork.from_bytes(running.payload)
        execution = _Execution(self, running, work, RollbackProgress.from_bytes(running.saved))
        while True:
            protection = await self.store.read(key_of(work.target), Protection)
            rollback = protection.rollback
            if rollback is None or rollback.rollback_id != work.rollback_id:
                return decided()
            move = await execution.step(protection, rollback)
            if isinstance(move, Done | Superseded | Failed):
                versions = await execution.versions(protection, rollback)
                move = await with_tools(move, versions, execution.stack, execution.progress, work.target, self.store)
                now, reached = moment(self.clock.now()), execution.reached
                replaced = execution.progress.replaced
                return end_rollback(work, move, now, taken_back=replaced, reached=reached, versions=versions)
            await self.clock.sleep(POLL_SECONDS)


@dataclass(slots=True)
class _Execution:
    """One execution of the job. What the next one must know is in ``progress``, which is kept at each step."""

    job: RollbackJob
    running: Running
    work: RollbackWork
    progress: RollbackProgress
    reads: OptionalReads = field(default_factory=OptionalReads)
    snapshot: Snapshot | None = None
    message: str = ""
    silent_until: float = 0.0
    """The time with which ``message`` was published."""
    kept_at: float = 0.0
    """The time of the last look that is kept."""
    overdue_at: float = 0.0
    """When the rollback counts as failed although its job has not ended; 0 until this execution has set it."""
    usual: RolloutPace = field(default_factory=lambda: RolloutPace(tasks=1))
    """Stands for the pace of the service until that is measured."""
    refused_at: float = inf
    """Since when AWS has refused for good."""
    stack: str = ""
    """The stack of CloudFormation that the service belongs to, by its tags; empty where they name none."""
    reached: Reached = Reached.EXECUTE
    noted: tuple[Reached, str] | None = None
    """The step and its sentence that are on record."""

    async def step(self, protection: Protection, rollback: RollingBack) -> Move:
        """Look, make the next move, and publish it."""
        job, before, started = self.job, self.progress, rollback.started_at.timestamp()
        self.progress = before.looked(started, job.clock.now())
        try:
            service = await self._read(protection, rollback.snapshot_id)
            move = await self._look_and_move(protection, rollback, self.snapshot, service)
            self.refused_at = inf
        except Unproven as unproven:
            why = f"The snapshot {rollback.snapshot_id} is not used: {unproven}."
            move = Failed(f"{why}{self._by_hand(protection, rollback)}")
        except AwsError as failed:
            now = job.clock.now()
            self.refused_at = inf if failed.temporary else min(self.refused_at, now)
            if failed.temporary and self.progress.under_way:
                # AWS goes on with what it was told; that it does not answer says nothing about it
                self.progress = self.progress.blind(before, started, now)
            late = now >= min(self._plan(rollback, None).deadline, self.refused_at + REFUSED_SECONDS)
            why = f"{str(failed).rstrip('.')}."
            move = Failed(f"{why}{self._by_hand(protection, rollback)}") if late else Wait(f"{why} Trying again.")
        if not isinstance(move, Done | Superseded | Failed):
            if self.progress.looked_at >= self.kept_at + KEPT_SECONDS:
                await self._keep(self.progress)
            await self._publish(move, rollback)
        return move

    async def _read(self, protection: Protection, snapshot_id: str) -> Body | None:
        """Return the service; read the snapshot at the same time, once."""
        job, target = self.job, self.work.target
        if self.snapshot is not None:
            return await job.ecs.service(target)
        reading = find_snapshot(job.snapshots, job.store, job.clock, target, snapshot_id, protection)
        self.snapshot, service = await both(reading, job.ecs.service(target))
        return service

    async def _look_and_move(
        self, protection: Protection, rollback: RollingBack, snapshot: Snapshot | None, service: Body | None
    ) -> Move:
        """Look and decide; of all moves, only ``Restore`` changes the service, and is made here."""
        if snapshot is None:
            return Failed(f"The snapshot {rollback.snapshot_id} is not in the bucket any more.")
        if service is None:
            return Failed("The service is not there any more.")
        deletion = EcsService(service).being_deleted
        if deletion is not None:
            return Failed(f"A rollback is not possible: {deletion}.")
        self.stack = stack_of(service)
        held = protection.arm if rollback.run_id is not None else None
        change = held.change if held is not None else None
        await self._begin(service, snapshot, rollback, ours=change is not None)
        observer = self._observer(snapshot, service, rollback, held)
        observed = await observer.observe(service, self.progress, self.job.clock.now())
        await self._watch_stack(observed)
        await self._note(observed, live_deployment(service)["id"])
        if observed.live == "goal":
            self.reached = Reached.VALIDATE if observed.rollout == "COMPLETED" else Reached.MONITOR
        move = next_move(observed, self._plan(rollback, change))
        if isinstance(move, Failed) and observed.live != "goal":
            refused = f" {self.progress.refused.rstrip('.')}." if self.progress.refused else ""
            return Failed(f"{move.detail}{refused}{self._by_hand(protection, rollback)}")
        if isinstance(move, Restore):
            await self._restore(snapshot, service, rollback, observed.stack)
            if self.progress.taken_back is None:
                taken = await self._replaced(protection, rollback, service)
                await self._keep(self.progress.replace(taken_back=taken))
        elif observed.live == "goal" or isinstance(move, WaitForEcs):
            await self._measure(observer, service, observed.desired)
            move = next_move(observed, self._plan(rollback, change))
        return move

    def _by_hand(self, protection: Protection, rollback: RollingBack) -> str:
        """Return how a person brings the version back, after a space; empty where its name is not known."""
        indexed = (entry for entry in protection.snapshots if entry.snapshot_id == rollback.snapshot_id)
        versions = (*self.progress.goals, *(entry.task_definition for entry in indexed))
        return f" {by_hand(self.work.target, versions[0])}" if versions else ""

    async def _measure(self, observer: RollbackObserver, service: Body, tasks: int) -> None:
        """Measure the pace once, and let it follow the number of tasks; until it is known, the usual one stands."""
        if self.progress.pace is None:
            measured = await observer.pace(service)
            if measured is None:
                self.usual = observer.usual_pace(service)
                return
            await self._keep(self.progress.replace(pace=measured))
        elif tasks > self.progress.pace.tasks:
            await self._keep(self.progress.replace(pace=self.progress.pace.grown(tasks)))

    async def versions(self, protection: Protection, rollback: RollingBack) -> Versions:
        """Return what is taken back and what is brought back, as far as they are known."""
        taken = self.progress.taken_back or await self._replaced(protection, rollback, None)
        return exchanged(taken, self.snapshot)

    async def _replaced(
        self, protection: Protection, rollback: RollingBack, service: Body | None
    ) -> KnownVersion | None:
        held = protection.arm if rollback.run_id is not None else None
        change = held.change if held is not None else None
        return await find_replaced(self.job.ecs, self.work.target, self.progress, change, service, self.reads)

    async def _begin(self, service: Body, snapshot: Snapshot, rollback: RollingBack, *, ours: bool) -> None:
        """Keep what is to be taken back where no change of ours says it: what was ``judged``, or what is live.

        Where an alert accuses the snapshot's own task definition, one of its tags names another image by now: then only
        a copy with each image by its digest is the snapshot's version.
        """
        judged = rollback.judged
        if not self.progress.goals:
            goal = snapshot.version
            if rollback.deployment_id and judged == goal:
                finder = VersionFinder(self.job.ecs, self.job.images)
                goal = await finder.find(self.running, self.work.target, snapshot, self.reads)
            self.progress = self.progress.replace(goals=(goal,))
        if not ours and self.progress.judged is None:
            live = str(live_deployment(service)["taskDefinition"])
            await self._keep(self.progress.replace(judged=judged or live, baseline=baseline_of(service)))

    def _observer(
        self, snapshot: Snapshot, service: Body, rollback: RollingBack, held: Armed | None
    ) -> RollbackObserver:
        kept = self.progress.baseline or baseline_of(service)
        return RollbackObserver(
            self.job.ecs,
            self.job.balancers,
            self.job.stacks,
            self.work.target,
            snapshot,
            held.change if held is not None else None,
            kept if held is None else baseline_of(snapshot.service),
            (rollback.started_at if held is None else held.armed_at).timestamp(),
            self.reads,
            accused=rollback.deployment_id,
            all_restored=restores_all(rollback, snapshot),
            stack=self.stack if watches_stacks(self.job.policies, self.work.target, held) else "",
        )

    def _plan(self, rollback: RollingBack, change: OurChange | None) -> Plan:
        return plan_of(rollback, change, self.progress, self.usual, self.job.settle_seconds)

    async def _note(self, observed: Observed, deployment_id: str) -> None:
        """Keep how far the rollout of the snapshot's version has come."""
        if observed.live == "goal":
            progress = self.progress.after(deployment_id, observed.standing, observed.now)
            if progress != self.progress:
                await self._keep(progress)

    async def _keep(self, progress: RollbackProgress) -> None:
        self.progress, self.kept_at = progress, progress.looked_at
        await self.running.checkpoint(progress.to_bytes())

    async def _watch_stack(self, observed: Observed) -> None:
        """Keep since when CloudFormation takes the stack back; what it replaces is then known to be what was judged."""
        stack = observed.stack
        if stack is not None and stack.going_back and observed.live != "foreign" and not self.progress.watched_from:
            await self._keep(self.progress.replace(watched_from=observed.now))

    async def _restore(self, snapshot: Snapshot, service: Body, rollback: RollingBack, stack: StackSeen | None) -> None:
        """Call UpdateService. The progress is kept before the call, since its answer may be lost."""
        before, target = self.progress, self.work.target
        if stack is not None:
            before = before.replace(of_stack=stack.when_acting(before.watched_from))
        goal = before.goals[-1]
        if len(before.goals) == 1:
            goal = await VersionFinder(self.job.ecs, self.job.images).find(self.running, target, snapshot, self.reads)
        goals = before.goals if goal in before.goals else (*before.goals, goal)
        await self._keep(before.restoring(goals, self.job.clock.now()))
        await self.running.check()
        changes = await changes_back(self.job.ecs, target, rollback, snapshot, service, goal)
        try:
            await self.job.ecs.update(target, update_parameters(changes, goal))
        except AwsError as error:
            # what was refused is tried again; whether it has taken effect, the next look shows
            await self._keep(before.replace(goals=goals, called=True, refused=str(error)))
            raise
        if before.refused:
            await self._keep(self.progress.replace(refused=""))

    async def _publish(self, move: Move, rollback: RollingBack) -> None:
        """Publish a move once, and anew when it may stay silent for longer; the overdue timer follows."""
        silent_until = self._plan(rollback, None).deadline
        due = silent_until + OVERDUE_MARGIN
        if due > max(self.overdue_at, (rollback.started_at + OVERDUE).timestamp()) + OVERDUE_MARGIN / 2:
            self.overdue_at = due
            await self.job.store.apply(wait_until(self.work, due), cause="")
        message = move.message if isinstance(move, Wait) else "Bringing the snapshot's version back."
        if rollback.by_a_person and (self.reached, message) != self.noted:
            self.noted = self.reached, message
            await self.job.store.apply(note_step(self.work, self.reached, message), cause="")
        new = message != self.message or silent_until > self.silent_until + OVERDUE_MARGIN / 2
        if new and rollback.run_id is not None:
            self.message, self.silent_until = message, silent_until
            command = Command.to(RollBack, self.work.target, rollback.run_id, self.work.rollback_id)
            nth = f"{message}:{silent_until:.0f}"
            await self.running.emit(command.progressed(message, nth, moment(silent_until)))
