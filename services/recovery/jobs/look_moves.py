"""Looks whether somebody has changed a service: one after another all services, or the one that is lent more tasks.

A service of which nothing has changed costs two reads. Where something has, who it was is asked, and asked again until
that is known: CloudTrail is minutes late. Nothing waits for it.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog

from contracts.base import Target
from contracts.recovery import KnownVersion
from contracts.state import NewerState
from services._aws.ecs_views import EcsService
from services._aws.errors import AwsError
from services._chassis.clock import Clock, moment
from services._chassis.jobs import Running
from services._chassis.policies import Policies
from services._chassis.store import Store
from services._chassis.transition import Transition, decided
from services.recovery.decisions.moved import LOOK_MOVES, Found, note_moves
from services.recovery.decisions.raise_again import consider_fall
from services.recovery.domain.change import Body
from services.recovery.domain.ecs_service import live_deployment
from services.recovery.domain.moves.find import find_moves
from services.recovery.domain.moves.remembered import NO_LIMITS, SETTLES, Moves, MovesWork, moves_key
from services.recovery.domain.moves.still_named import rolled_back_since, taken_back_by
from services.recovery.domain.moves.trail import Trail
from services.recovery.domain.protection import Protection, key_of
from services.recovery.domain.scaling.scale_work import ScaleWork
from services.recovery.domain.scaling.set_back import Live
from services.recovery.domain.snapshots.known_version import version_of
from services.recovery.jobs.rounds import Rounds, is_governed
from services.recovery.jobs.waits import waits_for
from services.recovery.ports.service import Ecs
from services.recovery.ports.snapshots import Snapshots
from services.recovery.trace import Trace

EVERY_SECONDS = 300.0
"""Product seconds between two looks at a service."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class LookMovesJob:
    trace: Trace
    ecs: Ecs
    snapshots: Snapshots
    store: Store
    clock: Clock
    policies: Policies

    async def __call__(self, running: Running) -> Transition:
        """Look at one service after another. One that cannot be looked at now is looked at the next time."""
        work, trails = MovesWork.from_bytes(running.payload or None), _Trails()
        targets = [work.target] if work.target is not None else await self.snapshots.targets()
        for target in targets:
            if is_governed(self.policies, target):
                await running.check()
                await self._look(target, trails)
        return decided()

    async def _look(self, target: Target, trails: "_Trails") -> None:
        try:
            service = await self.ecs.service(target)
            if service is None or EcsService(service).being_deleted is not None:
                return
            seen, before = await self.trace.look(target, service), await self.store.read(moves_key(target), Moves)
            if before.seen is not None and list(before.seen.changes_to(seen)):
                again = await self.ecs.service(target) or service
                seen = seen.only_what_both_see(await self.trace.look(target, again))
            after = before.after(seen)
            deployed = seen.is_of_another_deployment(before.seen)
            protection = await self.store.read(key_of(target), Protection)
            rolled_back = rolled_back_since(protection.past, seen.at - SETTLES)
            asks = bool(after.open(seen.at)) or deployed or rolled_back is not None
            last = before.seen.at if before.seen is not None else None
            begins = [time for time in (last, rolled_back) if time is not None]
            found = await self._found(target, service, begins, after, trails, protection) if asks else Found()
            found = replace(found, taken_back=taken_back_by(protection.past))
            await self.store.apply(note_moves(target, seen, found, seen.at), cause="")
            await self._answer_fall(target, service, protection)
        except (AwsError, NewerState) as error:
            log.info("who has moved a service is looked at the next time", target=str(target), why=str(error))

    async def _answer_fall(self, target: Target, service: Body, protection: Protection) -> None:
        """Raise the count of a scaling again that somebody has set back, or call people, as the policy has it."""
        scaling, seen, now = protection.scaling, EcsService(service), moment(self.clock.now())
        if scaling is None or seen.is_daemon:
            return
        moves = await self.store.read(moves_key(target), Moves)
        work = ScaleWork(target=target, scaling_id=scaling.scaling_id)
        live = Live(seen.desired, waits_for(protection, seen, now))
        await self.store.apply(consider_fall(work, moves.lowered, live, self.policies.of(target), now), cause="")

    async def _found(
        self,
        target: Target,
        service: Body,
        begins: list[datetime],
        moves: Moves,
        trails: "_Trails",
        protection: Protection,
    ) -> Found:
        """Find out who has made the changes of which that is not known."""
        still_open = moves.open(moment(self.clock.now()))
        since = min([*begins, *(change.since for change in still_open)]).timestamp()
        trail = trails.of(target, since) or await self.trace.trail(target, service, since)
        trails.keep(target, since, trail)
        facts = await self.trace.facts(target, service, since, moves.changes, trail)
        scaled = protection.scaling is not None and protection.scaling.phase != "restoring"
        limits = moves.seen.limits if moves.seen is not None else None
        deployed = any(change.what == "version" for change in still_open)
        return Found(
            moves=tuple(find_moves(facts, 0.0, self.clock.now())),
            scaling_id=protection.scaling.scaling_id if protection.scaling is not None and scaled else "",
            version=await self._version(target, service) if deployed else None,
            may_be_scaled="activities" in facts.unread and limits != NO_LIMITS,
        )

    async def _version(self, target: Target, service: Body) -> KnownVersion | None:
        """Return what is live by its images; None where that cannot be read."""
        name = str(live_deployment(service)["taskDefinition"])
        try:
            definition, digests = await self.ecs.task_definition(target, name), await self.ecs.digests(target, service)
        except AwsError:
            return None
        return version_of(name, definition or {}, digests)


@dataclass(slots=True)
class _Trails:
    """What CloudTrail has told in this round, by account and region: its look-ups are few."""

    known: dict[tuple[str, str], tuple[float, Trail]] = field(default_factory=dict)

    def of(self, target: Target, since: float) -> Trail | None:
        begin, found = self.known.get((target.account, target.region), (since + 1, None))
        return found if begin <= since else None

    def keep(self, target: Target, since: float, trail: Trail) -> None:
        begin, _ = self.known.get((target.account, target.region), (since, trail))
        if since <= begin:
            self.known[target.account, target.region] = (since, trail)


def moves_rounds(store: Store, clock: Clock) -> Rounds:
    """Return what begins a look at all services every five minutes."""
    return Rounds(store, clock, EVERY_SECONDS, (LOOK_MOVES,))
