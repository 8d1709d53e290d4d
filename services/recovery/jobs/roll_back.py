"""Brings a snapshot back: look at the service, decide the next move, make it, and look again until it is over."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Literal

from contracts.base import Target
from contracts.recovery import RollBack
from services._aws.ecs_views import EcsService
from services._aws.errors import AwsError
from services._chassis.clock import Clock, moment
from services._chassis.commands import Command
from services._chassis.jobs import Running
from services._chassis.store import Store
from services._chassis.transition import Transition, decided
from services.recovery.decisions import end_rollback
from services.recovery.domain.change import Body, content_hash, matches_change
from services.recovery.domain.ecs_service import ecs_does, primary_of
from services.recovery.domain.protection import OurChange, Protection, RollingBack, key_of
from services.recovery.domain.roll_back import (
    DEADLINE_SECONDS,
    POLL_SECONDS,
    Done,
    Failed,
    Move,
    Observed,
    Plan,
    Restore,
    Superseded,
    Wait,
    next_move,
)
from services.recovery.domain.snapshot import Snapshot, differences, update_parameters
from services.recovery.domain.work import RollbackProgress, RollbackWork
from services.recovery.ports import Balancers, Ecs, Images, Snapshots

REFUSED_SECONDS = 120.0
"""Product seconds for which AWS may refuse before the rollback ends as failed: permissions and credentials may take
effect late, too."""


@dataclass(frozen=True, slots=True)
class RollbackJob:
    ecs: Ecs
    balancers: Balancers
    images: Images
    snapshots: Snapshots
    store: Store
    clock: Clock
    settle_seconds: float
    """Product seconds after which a call that the change had begun cannot reach AWS any more."""

    async def __call__(self, running: Running) -> Transition:
        """Return the result. After a temporary fault it tries again, until the deadline ends the rollback as failed."""
        work = RollbackWork.from_bytes(running.payload)
        progress = RollbackProgress.from_bytes(running.saved)
        snapshot: Snapshot | None = None
        last_message, refused_at = "", inf
        while True:
            protection = Protection.from_bytes(await self.store.load(key_of(work.target)))
            rollback = protection.rollback
            if rollback is None or rollback.rollback_id != work.rollback_id:
                return decided()
            try:
                snapshot = snapshot or await self.snapshots.get(work.target, rollback.snapshot_id)
                progress, move = await self._step(running, work, progress, protection, rollback, snapshot)
                refused_at = inf
            except AwsError as failed:
                now = self.clock.now()
                refused_at = inf if failed.temporary else min(refused_at, now)
                late = now >= min(rollback.started_at.timestamp() + DEADLINE_SECONDS, refused_at + REFUSED_SECONDS)
                move = Failed(str(failed)) if late else Wait(f"{failed} Trying again.")
            if isinstance(move, Done | Superseded | Failed):
                return end_rollback(work, move, moment(self.clock.now()))
            message = move.message if isinstance(move, Wait) else "Bringing the snapshot's version back."
            if message != last_message and rollback.run_id is not None:
                last_message = message
                command = Command.to(RollBack, work.target, rollback.run_id, work.rollback_id)
                await running.emit(command.progressed(message, message))
            await self.clock.sleep(POLL_SECONDS)

    async def _step(
        self,
        running: Running,
        work: RollbackWork,
        progress: RollbackProgress,
        protection: Protection,
        rollback: RollingBack,
        snapshot: Snapshot | None,
    ) -> tuple[RollbackProgress, Move]:
        """Look and decide; of all moves, only ``Restore`` changes the service, and is made here."""
        if snapshot is None:
            return progress, Failed(f"The snapshot {rollback.snapshot_id} is not in the bucket any more.")
        service = await self.ecs.service(work.target)
        if service is None:
            return progress, Failed("The service is not there any more.")
        deletion = EcsService(service).being_deleted
        if deletion is not None:
            return progress, Failed(f"A rollback is not possible: {deletion}.")
        progress = progress.replace(goals=progress.goals or (snapshot.version,))
        held = protection.arm if rollback.run_id is not None else None
        change = held.change if held is not None else None
        if change is None and progress.judged is None:
            progress = progress.replace(judged=primary_of(service)["taskDefinition"])
            await running.checkpoint(progress.to_bytes())
        since = held.armed_at if held is not None else rollback.started_at
        observed = await self._observed(work, progress, snapshot, service, change, since.timestamp())
        plan = Plan(
            started_at=rollback.started_at.timestamp(),
            ordered=rollback.run_id is None,
            change=_state_of(change),
            no_straggler_after=self._no_straggler_after(change, rollback),
            restored_at=progress.restored_at,
        )
        move = next_move(observed, plan)
        if isinstance(move, Restore):
            progress = await self._restore(running, work, progress, snapshot, service)
        return progress, move

    async def _observed(
        self,
        work: RollbackWork,
        progress: RollbackProgress,
        snapshot: Snapshot,
        service: Body,
        change: OurChange | None,
        since: float,
    ) -> Observed:
        primary = primary_of(service)
        deployments = await self.ecs.deployments(work.target, since)
        ecs = ecs_does(service, deployments)
        return Observed(
            now=self.clock.now(),
            live=await self._live(
                work.target, progress, primary["taskDefinition"], change, fell_back=ecs == "rolled-back"
            ),
            rollout=primary.get("rolloutState", "COMPLETED"),
            running=service["runningCount"],
            desired=service["desiredCount"],
            healthy_targets=await self.balancers.healthy_targets(work.target, service),
            ecs=ecs,
            moved=bool(deployments),
            differs=bool(differences(snapshot, service, progress.goals[-1])),
        )

    def _no_straggler_after(self, change: OurChange | None, rollback: RollingBack) -> float:
        if change is None:
            return rollback.started_at.timestamp()
        return (change.ended_at or rollback.started_at).timestamp() + self.settle_seconds

    async def _live(
        self, target: Target, progress: RollbackProgress, version: str, change: OurChange | None, *, fell_back: bool
    ) -> Literal["goal", "judged", "foreign"]:
        """Return which version is live: the snapshot's, the one to be taken back, or another one.

        Our change is recognised by its ARN or, where its job died before it could note that, by its content. A version
        to which ECS has fallen back from our change is to be replaced as well.
        """
        if version in progress.goals:
            return "goal"
        if change is None:
            return "judged" if version == progress.judged else "foreign"
        if version == change.task_definition or fell_back:
            return "judged"
        definition = await self.ecs.task_definition(target, version)
        ours = definition is not None and matches_change(definition, change.images, change.asked)
        return "judged" if ours else "foreign"

    async def _restore(
        self, running: Running, work: RollbackWork, progress: RollbackProgress, snapshot: Snapshot, service: Body
    ) -> RollbackProgress:
        """Call UpdateService. The progress is kept before the call, since its answer may be lost."""
        goal = await self._goal(running, work.target, snapshot, progress)
        goals = progress.goals if goal in progress.goals else (*progress.goals, goal)
        progress = progress.replace(goals=goals, restored_at=(*progress.restored_at, self.clock.now()))
        await running.checkpoint(progress.to_bytes())
        await running.check()
        changes = differences(snapshot, service, goal)
        await self.ecs.update(work.target, update_parameters(changes, goal))
        return progress

    async def _goal(self, running: Running, target: Target, snapshot: Snapshot, progress: RollbackProgress) -> str:
        """Return the ARN of the task definition to run: the snapshot's own, or a copy with each image by its digest.

        A copy is needed where the original is INACTIVE, since UpdateService refuses that, and where one of its
        tags names another image by now, since the same task definition would then run something else.
        """
        if len(progress.goals) > 1:
            return progress.goals[-1]
        definition = await self.ecs.task_definition(target, snapshot.version)
        active = definition is not None and definition.get("status") == "ACTIVE"
        if active and not await self._moved(target, snapshot.tagged_images):
            return snapshot.version
        body = snapshot.pinned_definition
        wanted = content_hash(body)
        for revision in await self.ecs.revisions(target, body["family"]):
            if content_hash(revision) == wanted:
                return str(revision["taskDefinitionArn"])
        await running.check()
        return await self.ecs.register(target, body)

    async def _moved(self, target: Target, images: Mapping[str, str]) -> bool:
        """Return whether a tag names, or may name, another image than the one that ran."""
        for reference, digest in images.items():
            if await self.images.digest(target, reference) != digest:
                return True
        return False


def _state_of(change: OurChange | None) -> Literal["none", "in-flight", "landed"]:
    if change is None:
        return "none"
    return "landed" if change.task_definition else "in-flight"
