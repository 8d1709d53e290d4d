"""One process: the services that run in it and what they share. It connects, starts, watches and stops them."""

import asyncio
import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from aiokafka.errors import KafkaError
from fastapi import FastAPI
from redis.exceptions import RedisError

from contracts.topics import Party
from services._chassis.access.guard import Access
from services._chassis.access.key_ring import KeyRing, KeyStore
from services._chassis.access.permit import require_roles
from services._chassis.access.served import Served
from services._chassis.accounts import AccountWatch
from services._chassis.admission import Admission
from services._chassis.assembly import Assembly, Loop, assemble, create_service, load_settings
from services._chassis.audit.loops import audit_loops
from services._chassis.aws import Aws
from services._chassis.aws_connection import AwsConnection
from services._chassis.bus import KafkaTransport
from services._chassis.clock import Pace, PacedClock, moment
from services._chassis.clock_offset import RedisClock
from services._chassis.config_file import ConfigWatch
from services._chassis.connections import Connections
from services._chassis.http import PREFIX, create_http, create_server, end_http
from services._chassis.http_connections import listen
from services._chassis.identity import identity_of
from services._chassis.oversights import oversights
from services._chassis.policy import first_policy, router
from services._chassis.read_budget import ReadBudget
from services._chassis.readiness import Readiness
from services._chassis.redis_memory import RedisMemory
from services._chassis.replica_name import KEEP_SECONDS, ReplicaName, ReplicaNames
from services._chassis.service import Platform, Service
from services._chassis.settings import Settings, known_settings
from services._chassis.startup import AGAIN_SECONDS, Startup, StartupError, unless_stopped, why_of
from services._chassis.store import RedisStore
from services._chassis.tasks import end
from services._chassis.tls_files import TlsWatch
from services._policy.source import PolicySource

PLACE_IN_GROUPS = "its place in the consumer groups; Kafka's log says who holds them up"

log = structlog.get_logger()


@dataclass
class Process:
    """The services of one process and what they share."""

    modules: tuple[str, ...]
    settings: Settings
    readiness: Readiness = field(default_factory=Readiness)
    services: list[Service] = field(default_factory=list)
    assemblies: list[Assembly] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = PacedClock(Pace.parse(self.settings.surefoot_clock))
        self.parties = parties_of(self.modules)
        self.aws = AwsConnection(self.settings.aws_region, self.settings.aws_limits)
        self.connections = Connections.of(self.settings, self.parties, self.aws.own)
        self.redis: Any = self.connections.redis.client()
        self.readiness.facts["kafka"] = self.connections.about_kafka
        named = {party: name for party in sorted(self.parties) if (name := self.settings.member(party))}
        self.names = ReplicaNames(
            (ReplicaName(self.redis, party, name) for party, name in named.items()), self.readiness.missing
        )
        self._naming: asyncio.Task[None] | None = None
        """Keeps the names from before the first work until after the last."""
        if self.settings.aws_read_budget > 0:
            self.aws.reads = ReadBudget(
                self.redis, self.settings.aws_read_budget, self.readiness, pace=self.clock.pace.rate
            )
        self.admission = Admission(self.settings.surefoot_trusted_proxies)
        self.access = Access(
            self.settings.served,
            self.settings.surefoot_allowed_hosts.split(","),
            KeyRing(KeyStore(self.redis)),
            proxies=self.settings.surefoot_trusted_proxies,
        )
        self.settings_file = ConfigWatch(os.environ.get("SUREFOOT_CONFIG"), known_settings())
        self.transports: list[KafkaTransport] = []
        self.started = False
        """Whether the routes of all services are there."""
        self.unfinished = 0
        """How many loops and requests were still under way when the time for an orderly end was over."""

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until ``stop`` is set. Raise ``StartupError`` if what it needs does not come in time."""
        self.report_oversights()
        if self.access.served is Served.OPEN:
            self.readiness.degrade("access", "Everybody is served over HTTP, without a credential (SUREFOOT_ACCESS).")
        http = create_http(self._missing, self.readiness, lambda: self.started, self.admission, self.access)
        try:
            listening = listen(self.settings.surefoot_http_host, self.settings.surefoot_http_port)
        except OSError as error:
            where = f"{self.settings.surefoot_http_host}:{self.settings.surefoot_http_port}"
            raise StartupError(
                f"cannot listen on {where} ({error.strerror}): free it, or set SUREFOOT_HTTP_PORT"
            ) from error
        tls = self.connections.http
        server = create_server(http, listening.connections, tls=tls.context if tls else None)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            prepared = await self._prepared(http, stop)
            if prepared is not None:
                await self._work(prepared, stop, listening.getsockname()[1])
        finally:
            # beside each other, so that an open request costs no time; it may still need Redis, which is closed last
            self.unfinished += (await asyncio.gather(end_http(server, serving), self._leave_groups()))[0]
            await self._close()

    async def _prepared(self, http: FastAPI, stop: asyncio.Event) -> list[tuple[str, Loop]] | None:
        """Reach all that is needed and start; return the loops, or None where a stop is asked for first."""
        limit = self.settings.startup_timeout
        await unless_stopped(self._reach_all(), stop, limit, "Redis, Kafka and AWS")
        if not stop.is_set():
            await unless_stopped(self.names.take(), stop, None, "its name")
        if stop.is_set():
            return None
        self._naming = asyncio.create_task(restarted("name", self.names.keep))
        return await unless_stopped(self._start(http), stop, limit, PLACE_IN_GROUPS)

    async def _work(self, prepared: list[tuple[str, Loop]], stop: asyncio.Event, port: int) -> None:
        """Run the loops until ``stop`` is set. Raise the fault by which one of them ends."""
        loops = [asyncio.create_task(restarted(name, loop)) for name, loop in prepared]
        stopping = asyncio.create_task(stop.wait())
        watched = {*loops, stopping, *([self._naming] if self._naming else [])}
        try:
            self.started = True
            self.readiness.missing.clear()
            log.info("started", services=[service.name for service in self.services], port=port)
            ended, _ = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.readiness.missing["services"] = "stopping"
            log.info("stopping")
            self.unfinished = len(await end((*loops, stopping), self.settings.shutdown_timeout))
        for loop in ended - {stopping}:
            loop.result()  # raises: a loop ends only by a fault

    def report_oversights(self) -> None:
        """Report, in the log and as degraded, what stops no start and is hardly meant."""
        for number, sentence in enumerate(oversights(self._private_keys)):
            log.warning("something was overlooked", what=sentence)
            self.readiness.report(f"oversight:{number}", sentence)

    async def _reach_all(self) -> None:
        startup = Startup(
            self.settings,
            self.readiness.missing,
            self.redis,
            self.clock,
            self.aws,
            self.connections,
            self.readiness,
        )
        self.settings = self.settings.model_copy(update={"aws_account": await startup.reach_all()})

    async def _start(self, http: FastAPI) -> list[tuple[str, Loop]]:
        parties = self.parties
        stores = {party: RedisStore(self.redis, party, self.clock) for party in parties}
        policies = await first_policy(self.settings, Aws(self.aws, parties[0]), [*stores.values()], self.readiness)
        self.access.policies = policies
        http.include_router(require_roles(router(policies, self.settings_file)), prefix=PREFIX)
        accounts = AccountWatch(
            self.aws, policies, self.settings.aws_account or "", self.readiness, lambda: self._is_busy
        )
        redis_clock = RedisClock(self.redis, self.clock, self.readiness)
        memory = RedisMemory(self.redis, self.readiness)
        loops: dict[str, Loop] = {"clock": redis_clock.run, "policy": policies.run, "accounts": accounts.run}
        loops["memory of Redis"] = memory.run
        recorder = self.access.audit.recorder
        recorder.begin(stores[parties[0]], lambda: moment(self.clock.now()), self.readiness)
        loops["audit of requests"] = recorder.run
        if self.connections.files:
            loops["certificates"] = TlsWatch(self.connections.files, self.readiness).run
        for party, store in stores.items():
            loops |= self._add(party, store, policies, http)
        await asyncio.gather(*(transport.broker.start() for transport in self.transports))
        return list(loops.items())

    def _add(self, party: Party, store: RedisStore, policies: PolicySource, http: FastAPI) -> dict[str, Loop]:
        """Put a service together, add its routes, and return its loops."""
        settings = load_settings(party, aws_account=self.settings.aws_account)
        identity = identity_of(settings, party, self.readiness)
        platform = Platform(
            store,
            self.clock,
            Aws(self.aws, party),
            settings.straggler_window,
            readiness=self.readiness,
            policies=policies,
            identity=identity,
        )
        service = create_service(party, settings, platform)
        http.include_router(require_roles(service.router), prefix=PREFIX)
        self.admission.by_hand += tuple(f"{PREFIX}{path}" for path in service.by_hand)
        self.services.append(service)
        transport = KafkaTransport(store, settings, self.connections.kafka[party])
        self.transports.append(transport)
        recorder = self.access.audit.recorder
        assembly = assemble(service, store, transport, settings, self.readiness, identity=identity, recorder=recorder)
        self.assemblies.append(assembly)
        audit = audit_loops(store, transport, settings, identity, self.aws, self.readiness)
        return {**assembly.loops, **service.background, **audit}

    @property
    def _private_keys(self) -> set[Path]:
        signing = self.settings.surefoot_signing_key or ""
        own = (Path(signing.replace("{party}", party)) for party in self.parties if signing)
        return {*own, *(Path(files.key) for files in self.connections.files if files.key)}

    @property
    def _is_busy(self) -> bool:
        return any(assembly.executor.busy for assembly in self.assemblies)

    async def _missing(self) -> dict[str, str]:
        missing = dict(self.readiness.missing)
        if missing:
            return missing
        try:
            await asyncio.wait_for(self.redis.ping(), 2)
        except (RedisError, OSError, TimeoutError) as error:
            missing["redis"] = why_of(error)
        for transport in self.transports:
            if not await transport.broker.ping(2):
                missing["kafka"] = "no answer"
        for assembly in self.assemblies:
            if (waits := assembly.relay.waits) > self.settings.stall_timeout:
                missing["kafka"] = f"{assembly.service.name}'s events have not been delivered for {waits:.0f} s"
        if not all(transport.watchdog.assigned for transport in self.transports):
            missing.setdefault("kafka", "no partitions yet")
        return missing

    async def _leave_groups(self) -> None:
        leaving = [asyncio.create_task(transport.broker.stop()) for transport in self.transports]
        if leaving:
            left, late = await asyncio.wait(leaving, timeout=self.settings.shutdown_timeout)
            if late or any(task.exception() for task in left):
                log.warning("a consumer did not leave in time", consumers=len(late))

    async def _close(self) -> None:
        await self.access.audit.recorder.finish()
        for service in self.services:
            for close in service.closers:
                await close()
        self.aws.close()
        await self._give_names_back()
        await self.redis.aclose()

    async def _give_names_back(self) -> None:
        if self._naming is None:
            return
        await end([self._naming], KEEP_SECONDS)
        with suppress(RedisError, OSError):  # they expire
            await asyncio.wait_for(self.names.give_back(), KEEP_SECONDS)


def parties_of(modules: tuple[str, ...]) -> list[Party]:
    """Return the services of modules such as ``services.health``."""
    return [Party(module.rpartition(".")[2]) for module in modules]


async def restarted(name: str, loop: Loop) -> None:
    """Keep a loop running over the faults of Redis and Kafka; any other fault ends the process, loudly."""
    attempt = 0
    while True:
        begun = time.monotonic()
        try:
            await loop()
        except (RedisError, KafkaError, OSError) as error:
            log.warning("a loop starts again", loop=name, why=why_of(error))
            attempt = attempt + 1 if time.monotonic() - begun < AGAIN_SECONDS[-1] else 0
            await asyncio.sleep(AGAIN_SECONDS[min(attempt, len(AGAIN_SECONDS) - 1)])
