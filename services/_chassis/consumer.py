"""Turns one message into its consequences. Every message can be parsed or put aside, and retries are bounded.

A message is handled when its consequences are in the store or it is in the dead-letter topic, never before and never
instead. One message at a time per process and service: parallelism is partitions times replicas, and work that takes
longer than a moment is a job. This module knows no broker.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

import stamina
import structlog
from redis.exceptions import OutOfMemoryError, RedisError

from contracts.base import Event, joined
from contracts.dead_letter import is_for, is_letter
from contracts.deployment import Cause
from contracts.envelope import Envelope, InvalidMessage, Meta, UnknownType, decode, read_meta
from contracts.state import NewerState
from contracts.topics import COMMAND_TOPICS, DEPLOYMENT_REQUESTS
from services._chassis.audit.messages import come_from
from services._chassis.audit.recorder import Recorder
from services._chassis.commands import Command
from services._chassis.message_age import check_age, is_too_old, remembered_seconds
from services._chassis.readiness import FULL, FULL_SECONDS, NEWER_STATE_LONGEST, Readiness
from services._chassis.reasons import is_permanent, sentence_of
from services._chassis.records import Record, Unreadable
from services._chassis.service import Service
from services._chassis.signatures import UNSIGNED, Trust, Untrusted
from services._chassis.store import Applied, RedisStore
from services._chassis.transition import Busy, Transition, decided
from services._chassis.unhandled import Known, Unhandled
from services._policy.policies import NoTarget

ATTEMPTS = 8
"""Tries of a handler, with exponential back-off, before its message is a dead letter: about 20 s in all."""
LONGEST_WAIT = 5.0
BROKEN_STORE_SECONDS = 1.0
"""Real seconds before the same message is read again, when not even a dead letter could be stored."""
NEWER_STATE_AGAIN = 5.0
"""Real seconds until a message is read again whose state a newer version wrote."""
UNSIGNED_SECONDS = 24 * 3600.0
"""Real seconds for which a message without a signature is reported, where it is accepted: then not all writers sign."""

log = structlog.get_logger()


class Reading(NamedTuple):
    """A generation of reading; a new one begins whenever reading goes back."""

    number: int
    redis_run_id: str


class ReadProgress(Protocol):
    """How far a service has read: its consumer reports each message here."""

    def begin(self) -> Reading:
        """Note that a message is taken up; return the generation of reading, which the other methods take."""
        ...

    def handled(self, topic: str, partition: int, offset: int, reading: Reading) -> None:
        """Note that the message at ``offset`` is done with, unless it is read again anyway."""
        ...

    def is_stale(self, reading: Reading) -> bool:
        """Return whether reading has gone back since then; a message taken up before is read again anyway."""
        ...

    def is_read_again(self, topic: str, partition: int, offset: int) -> bool:
        """Return whether Kafka held the message when Redis was last started anew, and nobody has handled it since.

        Only of such a message may Redis have lost what followed from it.
        """
        ...

    def put_off(self, topic: str, partition: int, offset: int, seconds: float) -> None:
        """Read the message at ``offset`` again after so many real seconds, and nothing behind it before."""
        ...


def _passing(error: BaseException) -> bool:
    """Return whether another try may help after a handler's error. A cancellation is passed on, never retried.

    While the store is away nothing is retried here: the message is read again, perhaps after others.
    """
    elsewhere = InvalidMessage | NewerState | RedisError | OSError
    return isinstance(error, Exception) and not isinstance(error, elsewhere) and not is_permanent(error)


def _known_by(envelope: Envelope) -> Known:
    """On another topic, about another target or of another sender it is another message.

    Which requests version 0.1.0 has taken the orchestrator knows by their runs: the marks do not tell the target.
    """
    topic, meta = envelope.entry.topic, envelope.meta
    before = "" if topic == DEPLOYMENT_REQUESTS else f"{meta.source}#{meta.id}"
    return Known(joined(topic.name, envelope.event.subject, meta.source, meta.id), before)


class Consumer:
    """Takes one service's messages, one after another."""

    def __init__(
        self,
        service: Service,
        store: RedisStore,
        progress: ReadProgress,
        readiness: Readiness | None = None,
        now: Callable[[], float] = time.monotonic,
        trust: Trust = UNSIGNED.trust,
        recorder: Recorder | None = None,
    ) -> None:
        """``now`` returns real seconds; it measures how long a message has waited. ``recorder`` counts what is refused
        beyond the dead letters that are kept.
        """
        self._service = service
        self._store = store
        self._progress = progress
        self._readiness = readiness or Readiness()
        self._now = now
        self._trust = trust
        self._unhandled = Unhandled(service, store, self._readiness, recorder or Recorder())
        self._waiting_since: dict[bytes, float] = {}
        """Message key (a target) → the real time since when its messages wait for a newer replica."""
        self._waiting_reading = 0
        """The generation of reading in which they wait. The time while another replica reads does not count."""

    async def count(self) -> None:
        """Write, until cancelled, what is counted of messages of which nothing is kept."""
        await self._unhandled.tally.run()

    async def consume(self, record: Record) -> None:
        """Handle a message, or store it as a dead letter; raise only if neither could be done."""
        reading = self._progress.begin()
        try:
            await self._settle(record, reading)
            self._progress.handled(record.topic, record.partition, record.offset, reading)
        except NewerState:
            if not self._progress.is_stale(reading):
                self._progress.put_off(record.topic, record.partition, record.offset, NEWER_STATE_AGAIN)
        except OutOfMemoryError:
            # it waits alone; what is under way goes on, on other topics
            self._readiness.degrade("redis-full", FULL, FULL_SECONDS * 6)
            if not self._progress.is_stale(reading):
                self._progress.put_off(record.topic, record.partition, record.offset, FULL_SECONDS)
        except (RedisError, OSError, Busy):
            # the store is away or overloaded: the message is as good as before. FastStream seeks back at once,
            # and without a pause it would spin
            await asyncio.sleep(BROKEN_STORE_SECONDS)
            if self._progress.is_stale(reading):
                return  # reading has gone back already; seeking to this message would skip what lies before it
            raise

    async def _settle(self, record: Record, reading: Reading) -> None:
        try:
            await self.handle(record, reading.redis_run_id)
        except Untrusted as error:
            await self._unhandled.distrust(record, str(error))
        except NewerState as error:
            if self._may_wait(record, error, reading):
                raise
            await self._fail(record, f"state of a newer version: {error}")
        except (RedisError, OSError, Busy):
            raise
        except Exception as error:
            log.exception("a message could not be handled", topic=record.topic, error=type(error).__name__)
            failed = "failed" if is_permanent(error) else f"failed {ATTEMPTS} times"
            await self._fail(record, f"{failed}: {sentence_of(error)}")

    async def _fail(self, record: Record, why: str) -> None:
        """Keep a message that was believed and cannot be handled."""
        signed_by = ""
        with suppress(InvalidMessage):  # its key may be gone by now
            signed_by = self._proven(record)[1].signed_by
        await self._unhandled.keep(record, "failed", why, signed_by=signed_by)

    def _may_wait(self, record: Record, error: NewerState, reading: Reading) -> bool:
        """Return whether this target's messages have waited for less than ``NEWER_STATE_LONGEST``."""
        key = record.key or b""
        if reading.number != self._waiting_reading:
            self._waiting_reading = reading.number
            self._waiting_since.clear()
        self._readiness.newer_state(self._service.name, f"a message about {key.decode(errors='replace')}", error)
        return self._now() - self._waiting_since.setdefault(key, self._now()) < NEWER_STATE_LONGEST

    async def handle(self, record: Record, redis_run_id: str | None = None) -> None:
        """Handle a message, or put it aside where it is invalid. Raise ``Untrusted``, its handler's and the store's."""
        if not is_for(record.headers, self._service.name) or is_letter(record.topic, record.headers):
            return
        signed_by = ""
        try:
            type_, meta = self._proven(record)
            signed_by = meta.signed_by
            await self._take(record, type_, replace(meta, read_again=self._again(record)), redis_run_id)
        except Untrusted:
            raise
        except InvalidMessage as error:
            await self._unhandled.put_aside(record, "invalid", str(error), signed_by)

    async def _take(self, record: Record, type_: str, meta: Meta, redis_run_id: str | None) -> None:
        """Handle a message that is proven to come from a writer of its type, if that may ask for what it says.

        What is too old is history where all is read again after a restoration, and on topics that ask for nothing,
        which a new group reads from their beginning: it is skipped.
        """
        if is_too_old(meta, self._store.clock) and (meta.read_again or not self._unhandled.asks(record.topic)):
            self._unhandled.tally.too_old(record.topic)
            return
        check_age(meta, self._store.clock)
        try:
            envelope = decode(type_, meta, record.value)
        except UnknownType as error:
            await self._unhandled.unknown(record, str(error), meta.signed_by)
            return
        self._trust.prove_content(envelope.event, meta)
        event, entry = envelope.event, envelope.entry
        if entry.topic.name != record.topic:
            raise InvalidMessage(f"{entry.type} belongs on {entry.topic}")
        handler = self._service.handlers.get(type(event))
        if handler is None:
            if self._unhandled.asks(record.topic):
                await self._unhandled.unknown(record, f"{entry.type} is not handled here", meta.signed_by)
            return
        if isinstance(event, Event) and self._unhandled.asks(record.topic):
            self._service.admits(event.target, meta.signed_by)
        if meta.expires_at and self._store.clock.now() >= self._store.clock.at(meta.expires_at.timestamp()):
            # with the message's own cause: a message that was handled in time and comes again is no dead letter
            why, known = f"{entry.type} came after its expirytime", _known_by(envelope)
            await self._unhandled.keep(record, "expired", why, known=known, signed_by=meta.signed_by)
            return
        with come_from(record, envelope, self._service.name, self._trust):
            await self._try(envelope, handler, redis_run_id)
        self._waiting_since.pop(record.key or b"", None)

    async def _try(self, envelope: Envelope, handler: Any, redis_run_id: str | None) -> None:
        """Call the handler and write what it returns, again and again where that may help (``_passing``)."""
        meta = envelope.meta
        with structlog.contextvars.bound_contextvars(
            service=self._service.name, run_id=meta.run_id, correlation_id=meta.id, type=envelope.entry.type
        ):
            async for attempt in stamina.retry_context(
                on=_passing, attempts=ATTEMPTS, wait_max=LONGEST_WAIT, timeout=None
            ):
                with attempt:
                    await self._apply(envelope, handler, redis_run_id)

    def _again(self, record: Record) -> bool:
        return self._progress.is_read_again(record.topic, record.partition, record.offset)

    def _proven(self, record: Record) -> tuple[str, Meta]:
        """Return type and attributes, with who has written them. Raise ``InvalidMessage``, ``Untrusted`` among them."""
        if not isinstance(record.value, Unreadable):
            self._trust.signature_on(record)
        try:
            if isinstance(record.value, Unreadable):
                raise InvalidMessage(record.value.why)  # noqa: TRY301  it is told like any other
            type_, meta = read_meta(record.headers)
        except InvalidMessage as error:
            if self._trust.demands:
                raise Untrusted(f"nobody can tell who has written it: {error}") from None
            raise
        proven = self._trust.prove(record, type_, meta)
        if self._trust.accepts and not proven.signed_by:
            came = f"{self._service.name}: messages on {record.topic} come without a signature"
            sentence = f"{came}, the last one of {meta.time:%Y-%m-%d %H:%M} UTC."
            self._readiness.degrade(f"unsigned:{self._service.name}:{record.topic}", sentence, UNSIGNED_SECONDS)
        return type_, proven

    async def _apply(self, envelope: Envelope, handler: Any, redis_run_id: str | None) -> None:
        event, meta = envelope.event, envelope.meta
        try:
            await self._write(await handler(event, meta) or decided(), envelope, redis_run_id)
        except NoTarget as error:
            if envelope.entry.topic not in COMMAND_TOPICS:
                raise
            log.warning("the policy lets nobody act on the target of a command", why=str(error))
            refused = Command.of(event, meta).inconclusive(f"{error}.", Cause.REFUSED)  # type: ignore[arg-type]  # a command
            await self._write(decided(refused), envelope, redis_run_id)

    async def _write(self, transition: Transition, envelope: Envelope, redis_run_id: str | None) -> None:
        meta, (cause, before) = envelope.meta, _known_by(envelope)
        written = await self._store.apply(
            transition,
            cause=cause,
            cause_before=before,
            cause_id=meta.id,
            redis_run_id=redis_run_id,
            remember=remembered_seconds(meta, self._store.clock),
            intake=type(envelope.event) in self._service.intake,
        )
        if written.applied is Applied.SEEN and envelope.entry.topic in COMMAND_TOPICS:
            await self._store.answer_again(meta.id)
