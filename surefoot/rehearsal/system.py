"""The seven services as they are, on a bus, a Redis and an AWS in memory."""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack, suppress
from types import TracebackType
from typing import Any, Self

import httpx2
import orjson
from fastapi import Response

from contracts.base import Event, Target
from contracts.deployment import Override
from contracts.drills import DrillPlan
from contracts.envelope import Envelope, Meta
from contracts.topics import SERVICES, Party
from sandbox.virtual.bus import MemoryBus, MemoryTransport
from sandbox.virtual.redis import MemoryRedis
from services._chassis.accounts import AccountWatch
from services._chassis.assembly import Loop, Pauses, assemble, create_service, load_settings
from services._chassis.aws import Aws
from services._chassis.aws_connection import AwsConnection
from services._chassis.clock import Clock, moment
from services._chassis.http import Problem
from services._chassis.policies import Policies
from services._chassis.readiness import Readiness
from services._chassis.service import Platform
from services._chassis.settings import Settings as BaseSettings
from services._chassis.store import RedisStore
from services._chassis.tasks import end
from services.orchestrator.domain.view import run_key
from services.recovery.api.bodies import RollbackRequest
from services.recovery.api.drill import DrillRequest
from services.recovery.api.recreation import Decided, RecreateRequest
from services.recovery.api.router import Endpoints
from services.recovery.app import endpoints_of, stored
from services.recovery.jobs.look_moves import moves_rounds
from services.recovery.jobs.watch import watch_rounds
from services.recovery.settings import Settings

LOOK_SECONDS = 1.0
"""Product seconds between two polls for timers and jobs."""


class InProcessSystem:
    """Runs the services within ``async with InProcessSystem(…) as system:``; ``system.bus`` has all messages."""

    def __init__(
        self,
        clock: Clock,
        aws: AwsConnection,
        transport: httpx2.AsyncBaseTransport,
        settings: Mapping[str, Any],
        policies: Policies,
        parties: Iterable[Party] = SERVICES,
    ) -> None:
        """``settings`` win over the environment. ``policies`` have each service's thresholds and other values.

        ``parties``: the services that run.
        """
        self._parties = tuple(parties)
        self._clock = clock
        self._aws = aws
        self._transport = transport
        self._settings = settings
        self._policies = policies
        self._running = AsyncExitStack()
        self.readiness = Readiness()
        self.bus = MemoryBus()
        self.redis = MemoryRedis(clock.now)
        self._platforms: dict[Party, tuple[BaseSettings, Platform]] = {}

    async def __aenter__(self) -> Self:
        accounts = AccountWatch(self._aws, self._policies, self._settings["aws_account"], self.readiness)
        loops: list[Loop] = [accounts.run]
        for party in self._parties:
            loops += await self._start(party)
        # an error of one service ends the rehearsal
        group = await self._running.enter_async_context(asyncio.TaskGroup())
        tasks = [group.create_task(loop()) for loop in loops]
        self._running.push_async_callback(end, tasks)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._running.__aexit__(kind, error, trace)

    async def publish(self, event: Event, id_: str, source: str) -> None:
        """Publish an event of an outside writer."""
        await self.bus.publish(Envelope(Meta(id_, source, moment(self._clock.now())), event).to_message())

    async def run(self, run_id: str) -> dict[str, Any]:
        """Return a run as the orchestrator keeps it for its API."""
        record = await RedisStore(self.redis, Party.ORCHESTRATOR, self._clock).record(run_key(run_id))
        view: dict[str, Any] = orjson.loads(record or b"{}")
        return view

    async def look_at_ways_back(self) -> None:
        """Have recovery begin the look that it begins once an hour."""
        await watch_rounds(RedisStore(self.redis, Party.RECOVERY, self._clock), self._clock).once()

    async def watch_moves(self) -> None:
        """Have recovery look who has changed services, as often as it does."""
        await moves_rounds(RedisStore(self.redis, Party.RECOVERY, self._clock), self._clock).run()

    async def drill(self, target: Target, plan: DrillPlan, overrides: Mapping[str, str]) -> str:
        """Ask recovery for a drill, as its API does; return why it is refused, empty where it has begun."""
        named = tuple(Override(gate=check, reason=reason) for check, reason in overrides.items())
        asked = DrillRequest(plan=plan, actor="rehearsal", overrides=named)
        try:
            await self.recovery.drill.begin(target, asked, None, Response())
        except Problem as problem:
            return problem.detail
        return ""

    async def recreate(self, target: Target, asked: RecreateRequest, approves: str) -> str:
        """Ask recovery for a service to be made again, and let somebody approve that, as its API does.

        Return why it is refused; empty where it has begun.
        """
        recreations = self.recovery.recreation
        try:
            plan = await recreations.ask(target, asked, None, Response())
            if "recreation_id" not in plan:
                return str(plan["sentence"])
            await recreations.decide(target, Decided(actor=approves, plan=plan["plan"]), Response(), approves=True)
        except Problem as problem:
            return problem.detail
        return ""

    async def roll_back(self, target: Target, actor: str, reason: str) -> None:
        """Ask recovery to go back to the latest proven snapshot, as its API does. A refusal is on record."""
        asked = RollbackRequest(latest_proven=True, actor=actor, reason=reason)
        with suppress(Problem):
            await self.recovery.rollbacks.roll_back(target, asked, None, Response())

    @property
    def recovery(self) -> Endpoints:
        """Return what does the work of recovery's routes."""
        settings, platform = self._platforms[Party.RECOVERY]
        if not isinstance(settings, Settings):
            raise TypeError("recovery has settings of its own")
        return endpoints_of(platform, platform.aws, stored(settings, platform, platform.aws))

    async def _start(self, party: Party) -> Iterable[Loop]:
        settings = load_settings(party, **self._settings)
        store = RedisStore(self.redis, party, self._clock)
        platform = Platform(
            store,
            self._clock,
            Aws(self._aws, party),
            settings.straggler_window,
            self._transport,
            self.readiness,
            policies=self._policies,
        )
        self._platforms[party] = settings, platform
        service = create_service(party, settings, platform)
        for close in service.closers:
            self._running.push_async_callback(close)
        pauses = Pauses(LOOK_SECONDS, LOOK_SECONDS)
        transport = MemoryTransport(self.bus, party)
        return assemble(service, store, transport, settings, self.readiness, pauses).loops.values()
