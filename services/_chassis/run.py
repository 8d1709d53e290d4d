"""Runs services: one in a process of its own, or all seven in one. It connects, starts, watches and stops."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NoReturn

import structlog
from aiokafka.errors import KafkaError
from pydantic import ValidationError
from redis.exceptions import RedisError

from contracts.topics import Party
from services._chassis.access.guard import Access
from services._chassis.access.key_ring import KeyRing, KeyStore
from services._chassis.access.permit import require_roles
from services._chassis.access.served import Served
from services._chassis.accounts import AccountWatch, CredentialsLost
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
from services._chassis.policy import first_policy, router
from services._chassis.read_budget import ReadBudget
from services._chassis.readiness import Readiness
from services._chassis.redis_memory import RedisMemory
from services._chassis.service import Platform, Service
from services._chassis.settings import Settings, known_settings, sentence, without_effect
from services._chassis.startup import AGAIN_SECONDS, Startup, StartupError, unless_stopped, why_of
from services._chassis.store import RedisStore
from services._chassis.tasks import end
from services._chassis.telemetry import configure_logs
from services._chassis.tls_files import TlsWatch
from services._chassis.watchdog import Stalled
from services._policy.environment import environment_of
from services._policy.faults import PolicyFaults

PLACE_IN_GROUPS = "its place in the consumer groups; Kafka's log says who holds them up"
EXIT_USAGE = 2
EXIT_FAILED = 1
RESOLVING_THREADS = 64
"""Threads of the event loop: Redis and Kafka are found beside as many names that are not answered."""

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
        if self.settings.aws_read_budget > 0:
            self.aws.reads = ReadBudget(
                self.redis, self.settings.aws_read_budget, self.readiness, pace=self.clock.pace.rate
            )
        self.admission = Admission(self.settings.surefoot_trusted_proxies)
        self.access = Access(
            self.settings.surefoot_access,
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
            limit = self.settings.startup_timeout
            await unless_stopped(self._reach_all(), stop, limit, "Redis, Kafka and AWS")
            prepared = None if stop.is_set() else await unless_stopped(self._start(http), stop, limit, PLACE_IN_GROUPS)
            if prepared is not None:
                loops = [asyncio.create_task(_restarted(name, loop)) for name, loop in prepared]
                stopping = asyncio.create_task(stop.wait())
                try:
                    self.started = True
                    self.readiness.missing.clear()
                    log.info(
                        "started",
                        services=[service.name for service in self.services],
                        port=listening.getsockname()[1],
                    )
                    ended, _ = await asyncio.wait({*loops, stopping}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    self.readiness.missing["services"] = "stopping"
                    log.info("stopping")
                    self.unfinished = len(await end((*loops, stopping), self.settings.shutdown_timeout))
                for loop in ended - {stopping}:
                    loop.result()  # raises: a loop ends only by a fault
        finally:
            # beside each other, so that an open request costs no time; it may still need Redis, which is closed last
            self.unfinished += (await asyncio.gather(end_http(server, serving), self._leave_groups()))[0]
            await self._close()

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

    async def _start(self, http: Any) -> list[tuple[str, Loop]]:
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
            assembly = assemble(
                service, store, transport, settings, self.readiness, identity=identity, recorder=recorder
            )
            self.assemblies.append(assembly)
            loops |= assembly.loops | service.background
            loops |= audit_loops(store, settings, identity, self.aws, self.readiness)
        await asyncio.gather(*(transport.broker.start() for transport in self.transports))
        return list(loops.items())

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
        for service in self.services:
            for close in service.closers:
                await close()
        self.aws.close()
        await self.redis.aclose()


def parties_of(modules: tuple[str, ...]) -> list[Party]:
    return [Party(module.rpartition(".")[2]) for module in modules]


async def _restarted(name: str, loop: Loop) -> None:
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


def main(*modules: str) -> None:
    """Run the services of ``modules`` until SIGTERM or SIGINT; exit non-zero with a sentence where they cannot run."""
    names = [module.rpartition(".")[2] for module in modules]
    service = names[0] if len(names) == 1 else "all"
    configure_logs("info", service)
    try:
        for party in parties_of(modules):
            identity_of(load_settings(party), party, Readiness())
        settings = Settings()
        Connections.of(settings, parties_of(modules))
        Pace.parse(settings.surefoot_clock)
        environment_of(os.environ)
    except ValidationError as error:
        log.error("cannot start", why=sentence(error))  # noqa: TRY400  the operator's sentence
        sys.exit(EXIT_USAGE)
    except (ValueError, PolicyFaults) as error:
        log.error("cannot start", why=str(error))  # noqa: TRY400  the operator's sentence
        sys.exit(EXIT_USAGE)
    configure_logs(settings.surefoot_log_level, service)
    for ignored in without_effect(os.environ.get("SUREFOOT_CONFIG")):
        log.warning("a setting is ignored", why=ignored)
    asyncio.run(_exit_after(_main(modules, settings)))


async def _exit_after(work: Coroutine[Any, Any, int]) -> NoReturn:
    """Exit with the code that ``work`` returns, without waiting for threads that wait for AWS or for a file.

    What lasts is in Redis by then; the leases of jobs that did not end run out by themselves.
    """
    code = await work
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


async def _main(modules: tuple[str, ...], settings: Settings) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    # names of watched applications are resolved there, too, and a resolver may take its time
    loop.set_default_executor(ThreadPoolExecutor(RESOLVING_THREADS, "resolving"))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    process, code = Process(modules, settings), 0
    try:
        await process.run(stop)
    except StartupError as error:
        log.error("cannot start", why=str(error))  # noqa: TRY400  the operator's sentence
        code = EXIT_FAILED
    except (Stalled, CredentialsLost) as error:
        log.error("the process ends so that its supervisor starts it again", why=str(error))  # noqa: TRY400  no bug
        code = EXIT_FAILED
    except Exception:
        log.exception("a loop failed; the process ends so that its supervisor starts it again")
        code = EXIT_FAILED
    if process.unfinished:
        log.warning("left with work in flight", unfinished=process.unfinished)
    return code
