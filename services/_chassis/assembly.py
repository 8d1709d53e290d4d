"""Assembles one service: for a process of its own, for a rehearsal, and for the property tests."""

from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

import structlog

from contracts.catalogue import topics_of
from contracts.envelope import Message
from contracts.topics import Party
from services._chassis.audit.recorder import Recorder
from services._chassis.consumer import Consumer, ReadProgress
from services._chassis.damage import reported
from services._chassis.jobs import IDLE_SECONDS, Executor
from services._chassis.readiness import Readiness
from services._chassis.records import Record
from services._chassis.relay import Relay
from services._chassis.service import Platform, Service
from services._chassis.settings import Settings
from services._chassis.signatures import UNSIGNED, Identity
from services._chassis.store import RedisStore
from services._chassis.timers import POLL_SECONDS, Timers

Loop = Callable[[], Coroutine[Any, Any, None]]


class Transport(Protocol):
    """Publishes and reads the messages of one service."""

    name: str
    """This replica's name, which no other replica of the service has."""

    @property
    def progress(self) -> ReadProgress: ...

    def catching_up(self) -> bool:
        """Return whether messages that were read before are still being read again; until then no timer may fire."""
        ...

    async def publish(self, message: Message) -> None:
        """Publish a message; return once it cannot be lost any more."""
        ...

    def read(self, group: str, topics: Iterable[str], consume: Callable[[Record], Awaitable[None]]) -> Loop:
        """Call ``consume`` with each record, one after another; return the loop that does so."""
        ...


@dataclass(frozen=True, slots=True)
class Pauses:
    """Real seconds between two polls of each loop."""

    timers: float = POLL_SECONDS
    jobs: float = IDLE_SECONDS


@dataclass(frozen=True, slots=True)
class Assembly:
    """A service and the loops that run it."""

    service: Service
    store: RedisStore
    consumer: Consumer
    timers: Timers
    executor: Executor
    relay: Relay
    loops: dict[str, Loop]
    """Name → loop."""


def load_settings(party: Party, **given: Any) -> Settings:
    """Return the settings of a service; ``given`` win over the environment. Raise pydantic's ``ValidationError``."""
    settings: Settings = import_module(f"services.{party}.settings").Settings(**given)
    return settings


def create_service(party: Party, settings: Settings, platform: Platform) -> Service:
    service: Service = import_module(f"services.{party}.app").create_app(settings, platform)
    return service


def assemble(
    service: Service,
    store: RedisStore,
    transport: Transport,
    settings: Settings,
    readiness: Readiness,
    pauses: Pauses | None = None,
    identity: Identity = UNSIGNED,
    recorder: Recorder | None = None,
) -> Assembly:
    """Assemble consumer, executor, timers and relay of ``service``; nothing runs yet.

    ``identity``: how it signs what it publishes, and which messages it believes. ``recorder``: the process's own.
    """
    pauses = pauses or Pauses()
    store.first_jobs = service.first_jobs
    store.replace_damaged = reported(service.replace_damaged, service.name, readiness)
    consumer = Consumer(service, store, transport.progress, readiness, trust=identity.trust, recorder=recorder)
    timers = Timers(store, store.clock, service.timers, transport.catching_up, pauses.timers, readiness)
    executor = Executor(
        store,
        service.jobs,
        service.failures,
        lease=settings.job_lease,
        slots=settings.job_slots,
        idle=pauses.jobs,
        readiness=readiness,
    )
    relay = Relay(
        store.redis,
        store.key("outbox"),
        transport.name,
        transport.publish,
        settings.kafka_request_timeout / 2,
        identity.sign,
        readiness,
    )
    topics = [topic.name for topic in topics_of(Party(service.name))]
    loops: dict[str, Loop] = {
        f"{service.name} consumer": transport.read(service.name, topics, consumer.consume),
        f"{service.name} counts": consumer.count,
        f"{service.name} relay": relay.run,
        f"{service.name} timers": timers.run,
        f"{service.name} jobs": executor.run,
    }
    named = {name: _named(service.name, loop) for name, loop in loops.items()}
    return Assembly(service, store, consumer, timers, executor, relay, named)


def _named(service: str, loop: Loop) -> Loop:
    """Add the service's name to the loop's log lines, since all seven may share a process."""

    async def run() -> None:
        structlog.contextvars.bind_contextvars(service=service)
        await loop()

    return run
