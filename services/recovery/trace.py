"""Finds out who has changed a service. Nothing is changed, and no decision waits for it."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import TypeVar

from contracts.base import Target
from contracts.prose import prose
from services._aws.ecs_views import EcsService
from services._aws.errors import AwsError, answer_within
from services._chassis.clock import Clock, moment
from services._chassis.operations import find_operation
from services._chassis.store import Store
from services.recovery.domain.change import Body
from services.recovery.domain.ecs_service import live_deployment
from services.recovery.domain.moves.acted import acted_key
from services.recovery.domain.moves.facts import Deployed, Facts, Ours
from services.recovery.domain.moves.find import find_moves
from services.recovery.domain.moves.move import Move
from services.recovery.domain.moves.mover import OURS_IN_AGENT, By
from services.recovery.domain.moves.ours import ours_of
from services.recovery.domain.moves.remembered import Change, Moves, Seen, moves_key, seen_limits
from services.recovery.domain.moves.stack import of_stack, stack_of
from services.recovery.domain.moves.still_named import sentence_of, short, still_naming, taken_back_by
from services.recovery.domain.moves.trail import Trail, TrailCall
from services.recovery.domain.moves.view import READ, Traced
from services.recovery.domain.protection import Protection, key_of
from services.recovery.ports.moves import Movers
from services.recovery.ports.service import Ecs

T = TypeVar("T")

READ_SECONDS = 10.0
"""Real seconds for each of the reads, which are made at once."""
TRAIL_SECONDS = 20.0
"""Real seconds for CloudTrail: each name is looked up by itself, and there is a place for 1.5 look-ups a second."""
BEFORE_SECONDS = 3600.0
"""Seconds before the asked time from which AWS is read, so that what was there before the first move is known."""
MOST_JOBS = 50
"""How many of the jobs that CloudTrail names are looked for among our own."""


@dataclass(frozen=True, slots=True)
class Trace:
    ecs: Ecs
    movers: Movers
    store: Store
    clock: Clock

    async def traced(self, target: Target, since: float) -> Traced | None:
        """Return the moves since then (epoch seconds); None where there is no service. Raise ``AwsError``."""
        service = await self.ecs.service(target)
        if service is None:
            return None
        moves = await self.store.read(moves_key(target), Moves)
        facts, stack = await asyncio.gather(
            self.facts(target, service, since, moves.changes), self._stack(target, service)
        )
        sentence, unread = stack
        sources = {
            "ECS": facts.unread.get("deployments", READ),
            "Application Auto Scaling": facts.unread.get("activities", READ),
            "CloudTrail": facts.trail.unread or READ,
            "our own record": READ,
        }
        if sentence or unread:
            sources["CloudFormation"] = unread or READ
        found = tuple(find_moves(facts, since, self.clock.now()))
        return Traced(found, since, sources, sentence, await self._named(target, service, found))

    async def _named(self, target: Target, service: Body, moves: Sequence[Move]) -> str:
        """Return a sentence about the tool that still names what a rollback has taken back; empty where none does."""
        taken_back = taken_back_by((await self.store.read(key_of(target), Protection)).past)
        named = still_naming(moves, taken_back, short(str(live_deployment(service)["taskDefinition"])))
        return "" if named is None else sentence_of(named, taken_back[named.after])

    async def facts(
        self, target: Target, service: Body, since: float, changes: Sequence[Change], trail: Trail | None = None
    ) -> Facts:
        """Return what is known; what could not be read is named. ``trail``: what was read for another service."""
        begin = since - BEFORE_SECONDS
        deployed, activities, read = await asyncio.gather(
            answer_within(READ_SECONDS, self.movers.deployed(target, service, begin)),
            answer_within(READ_SECONDS, self.movers.activities(target, begin)),
            self._known_trail(target, service, since, trail),
        )
        calls = read.of(target)
        ours = await self._ours(target, calls.calls)
        unread = {
            name: _why(answer)
            for name, answer in (("deployments", deployed), ("activities", activities))
            if isinstance(answer, AwsError)
        }
        return Facts(
            _known(deployed, _listed(service, begin)),
            _known(activities, ()),
            calls,
            tuple(change.noticed for change in changes),
            {change.noticed: (change.move.mover, change.evidence) for change in changes if change.by is not By.UNKNOWN},
            ours,
            unread,
        )

    async def look(self, target: Target, service: Body) -> Seen:
        """Return version, count and limits of a service now."""
        seen, live = EcsService(service), live_deployment(service)
        limits = await answer_within(READ_SECONDS, self.movers.limits(target))
        return Seen(
            version=str(live["taskDefinition"]).rpartition("/")[2],
            deployment_id=str(live["id"]),
            desired=None if seen.is_daemon else seen.desired,
            limits=None if isinstance(limits, AwsError) else seen_limits(limits),
            at=moment(self.clock.now()),
        )

    async def _known_trail(self, target: Target, service: Body, since: float, known: Trail | None) -> Trail:
        return await self.trail(target, service, since) if known is None else known

    async def trail(self, target: Target, service: Body, since: float) -> Trail:
        """Return what CloudTrail tells of all services of the account and region, from an hour before then on."""
        begin = since - BEFORE_SECONDS
        found = await answer_within(TRAIL_SECONDS, self.movers.trail(target, service, begin))
        return Trail(since=inf, unread=str(found)) if isinstance(found, AwsError) else found

    async def _ours(self, target: Target, calls: Iterable[TrailCall]) -> Ours:
        """Return our own record, with those jobs that CloudTrail names and that only older records know."""
        protection = await self.store.read(key_of(target), Protection)
        known = ours_of(protection, moment(self.clock.now()))
        named = dict.fromkeys(found[3] for call in calls if (found := OURS_IN_AGENT.search(call.agent)))
        others = [job for job in named if job not in known.jobs][:MOST_JOBS]
        older = {job: what for job in others if (what := await self._what(job, target))}
        return replace(known, jobs={**known.jobs, **older})

    async def _what(self, job: str, target: Target) -> str:
        """Return what a job was; empty where this installation does not know it, or it was about another service."""
        acted = await self.store.record(acted_key(job))
        if acted is not None:
            return prose(acted.decode(errors="replace"))
        operation = await find_operation(self.store, job)
        kind = operation.model_dump().get("kind", "operation") if operation and operation.target == target else ""
        return f"the {kind} {job}" if kind else ""

    async def _stack(self, target: Target, service: Body) -> tuple[str, str]:
        """Return a sentence about the stack of the service, and why it could not be read; empty where it has none."""
        name = stack_of(service)
        if not name:
            return "", ""
        status = await answer_within(READ_SECONDS, self.movers.stack(target, name))
        if isinstance(status, AwsError):
            return prose(f"It is in the stack {name} of CloudFormation, whose state is not known."), _why(status)
        return prose(of_stack(name, status)), ""


def _listed(service: Body, since: float) -> tuple[Deployed, ...]:
    """Return the deployments that the service itself lists: all that is known where its history cannot be read."""
    listed = EcsService(service).deployments
    known = [each for each in listed if each.created_at is not None and each.created_at >= since]
    return tuple(Deployed(each.created_at or 0.0, each.task_definition, deployment_id=each.id) for each in known)


def _known(read: tuple[T, ...] | AwsError, otherwise: tuple[T, ...]) -> tuple[T, ...]:
    return otherwise if isinstance(read, AwsError) else read


def _why(error: AwsError) -> str:
    return f"not allowed ({error})" if error.denied else str(error)
