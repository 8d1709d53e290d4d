"""Kafka, through FastStream: acknowledged after the handler, total at parsing, bounded in its retries.

A message is acknowledged when its consequences are in the store or it is in the dead-letter topic, never before
and never instead; Kafka is told of many at once (``commits.py``). One message at a time per process and service:
parallelism is partitions times replicas, and whatever takes longer than a moment is a job.
"""

import asyncio
import logging
from dataclasses import replace
from functools import partial
from typing import Any

import stamina
import structlog
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.structs import ConsumerRecord
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from redis.exceptions import RedisError

from contracts.base import Event
from contracts.catalogue import Entry, topics_of
from contracts.dead_letter import Reason, is_for, letter_id
from contracts.envelope import Envelope, InvalidMessage, Message, Meta, UnknownType, from_message, read_meta
from contracts.topics import COMMAND_TOPICS, DEPLOYMENT_REQUESTS, Party
from services._chassis.clock import moment
from services._chassis.commits import Commits
from services._chassis.dead_letters import LONGEST_DETAIL, letter_of, told, unsupported
from services._chassis.jobs import describe_command
from services._chassis.positions import Positions, Reading
from services._chassis.records import read_any_name
from services._chassis.service import Service
from services._chassis.settings import Settings
from services._chassis.store import Applied, RedisStore
from services._chassis.transition import Busy, Emit, Transition, decided

ATTEMPTS = 8
"""Tries of a handler, with exponential back-off, before its message is a dead letter: about 20 s in all."""
LONGEST_WAIT = 5.0
BROKEN_STORE_SECONDS = 1.0
"""Pause before the same message is read again, when not even a dead letter could be stored."""

log = structlog.get_logger()
_COMMANDS = {topic.name: party for topic, party in COMMAND_TOPICS.items()}
_ASKED = {**_COMMANDS, DEPLOYMENT_REQUESTS.name: Party.ORCHESTRATOR}
"""Where somebody asks for something: what is unknown there is kept, not skipped."""


class Broker(KafkaBroker):
    """FastStream's; it commits what is handled before it leaves."""

    commits: Commits | None = None

    async def stop(self, *fault: Any) -> None:
        if self.commits:
            await self.commits.last()
        await super().stop(*fault)


def create_broker(settings: Settings, client_id: str) -> Broker:
    """Return a broker that loses nothing: ``acks=all``, idempotent, acknowledged by the handler's end."""
    read_any_name()
    return Broker(
        settings.kafka_bootstrap_servers.split(","),
        client_id=client_id,
        acks="all",
        enable_idempotence=True,
        allow_auto_create_topics=False,
        request_timeout_ms=int(settings.kafka_request_timeout * 1000),
        graceful_timeout=settings.shutdown_timeout / 2,
        ack_policy=AckPolicy.NACK_ON_ERROR,
        apply_types=False,
        logger=_errors_only(),
    )


def _errors_only() -> logging.Logger:
    """FastStream's errors, without its two lines for each message."""
    logger = logging.getLogger("faststream")
    logger.setLevel(logging.ERROR)
    return logger


def publisher(broker: KafkaBroker) -> Any:
    """Return the relay's ``publish``: it ends when Kafka has confirmed."""

    async def publish(message: Message) -> None:
        headers = {name: value.decode() for name, value in message.headers}
        await broker.publish(message.value, message.topic, key=message.key, headers=headers)

    return publish


def subscribe(broker: Broker, service: Service, store: RedisStore, positions: Positions, settings: Settings) -> None:
    """Let ``service`` read all that the catalogue says it reads."""
    session_ms = int(settings.kafka_session_timeout * 1000)
    consumer = Consumer(service, store, positions)
    broker.commits = Commits(positions)
    subscriber = broker.subscriber(
        *(topic.name for topic in topics_of(Party(service.name))),
        group_id=service.name,
        group_instance_id=settings.member(service.name),
        session_timeout_ms=session_ms,
        heartbeat_interval_ms=session_ms // 5,
        auto_offset_reset="earliest",
        # all topics have as many partitions: what is of one target is read by one replica
        partition_assignment_strategy=(RangePartitionAssignor, RoundRobinPartitionAssignor),
        fetch_max_wait_ms=250,
        listener=positions,
        parser=partial(_parse, broker.commits),
        decoder=_decode,
    )
    subscriber(consumer.consume)
    positions.consumer = lambda: subscriber.consumer


async def _parse(commits: Commits, record: "ConsumerRecord[Any, Any]", original: Any) -> Any:
    """Parse without the headers, which FastStream would decode and stumble over; ours are read later."""
    message = await original(replace(record, headers=()))
    message.raw_message, message.consumer = record, commits
    return message


async def _decode(message: Any) -> Any:
    return message.raw_message


def _passing(error: BaseException) -> bool:
    """Whether a handler's fault may pass by itself. A cancellation is not one, and stamina would keep it.

    Where the store is away the message is read again: it may be that others come before it then.
    """
    return isinstance(error, Exception) and not isinstance(error, InvalidMessage | RedisError | OSError)


def _cause(meta: Meta) -> str:
    return f"{meta.source}#{meta.id}"


class Consumer:
    """Takes one service's messages, one after another."""

    def __init__(self, service: Service, store: RedisStore, positions: Positions) -> None:
        self._service = service
        self._store = store
        self._positions = positions
        self._asked = {topic for topic, party in _ASKED.items() if party == service.name}

    async def consume(self, record: "ConsumerRecord[Any, Any]") -> None:
        """Handle a message, or store it as a dead letter; raise only if neither could be done."""
        reading = self._positions.take()
        try:
            await self._settle(record, reading)
            self._positions.handled(record.topic, record.partition, record.offset, reading)
        except (RedisError, OSError, Busy):
            # the store is away or overloaded: the message is as good as before. FastStream seeks back at once,
            # and without a pause it would spin
            await asyncio.sleep(BROKEN_STORE_SECONDS)
            if self._positions.goes_back(reading):
                return  # and not to this message: that lies further on
            raise

    async def _settle(self, record: "ConsumerRecord[Any, Any]", reading: Reading) -> None:
        try:
            await self._handle(record, reading.run)
        except InvalidMessage as error:
            await self._put_aside(record, "invalid", str(error))
        except (RedisError, OSError, Busy):
            raise
        except Exception as error:
            log.exception("a message could not be handled", topic=record.topic, error=type(error).__name__)
            await self._dead_letter(record, "failed", f"{type(error).__name__} after {ATTEMPTS} attempts")

    async def _handle(self, record: "ConsumerRecord[Any, Any]", run: str | None = None) -> None:
        if not is_for(record.headers, self._service.name):
            return
        try:
            envelope = from_message(record.headers, record.value)
        except UnknownType as error:
            await self._unknown(record, str(error))
            return
        event, meta, entry = envelope.event, envelope.meta, envelope.entry
        handler = self._service.handlers.get(type(event)) if isinstance(event, Event) else None
        if handler is None:
            if record.topic in self._asked:
                await self._unknown(record, f"{entry.type} is not handled here")
            return
        if entry.topic.name != record.topic:
            raise InvalidMessage(f"{entry.type} belongs on {entry.topic}")
        if meta.expires_at and self._store.clock.now() >= self._store.clock.at(meta.expires_at.timestamp()):
            # with the message's own cause: one that was handled in time, and comes again, is no dead letter
            await self._dead_letter(record, "expired", f"{entry.type} came after its expirytime", cause=_cause(meta))
            return
        correlation = {"run_id": meta.run_id, "correlation_id": meta.id, "type": entry.type}
        with structlog.contextvars.bound_contextvars(**correlation):
            async for attempt in stamina.retry_context(
                on=_passing,
                attempts=ATTEMPTS,
                wait_max=LONGEST_WAIT,
                timeout=None,
            ):
                with attempt:
                    await self._apply(envelope, handler, run)

    async def _apply(self, envelope: Envelope, handler: Any, run: str | None) -> None:
        event, meta = envelope.event, envelope.meta
        transition = await handler(event, meta) or decided()
        command = self._command(envelope.entry, event, meta)
        said = await self._store.apply(
            transition,
            cause=_cause(meta),
            cause_id=meta.id,
            command=command,
            run=run,
        )
        if said is Applied.SEEN and command:
            await self._store.answer_again(meta.id)

    @staticmethod
    def _command(entry: Entry, event: object, meta: Meta) -> bytes:
        if entry.topic not in COMMAND_TOPICS or not isinstance(event, Event):
            return b""
        return describe_command(entry.name, event.target, meta.run_id or "")

    async def _unknown(self, record: "ConsumerRecord[Any, Any]", why: str) -> None:
        """Count and skip an unknown event; keep an unknown command or request, and answer the command."""
        type_, meta = read_meta(record.headers)
        if record.topic in self._asked:
            answer = unsupported(record, type_, meta, why) if record.topic in _COMMANDS else ()
            await self._put_aside(record, "unsupported", why, also=answer)
            return
        skipped = await self._store.redis.hincrby(self._store.key("counters"), f"skipped:{record.topic}", 1)
        log.info("skipped an event of an unknown type", type=type_[:100], topic=record.topic, skipped=skipped)

    async def _put_aside(
        self, record: "ConsumerRecord[Any, Any]", reason: Reason, why: str, *, also: tuple[Emit, ...] = ()
    ) -> None:
        """Store a message that cannot be read, and tell its writer where the service can.

        That a writer cannot be told is no reason to stand still.
        """
        if refusal := self._service.refusals.get(record.topic):
            try:
                refused = await refusal(record, why[:LONGEST_DETAIL])
                await self._dead_letter(record, reason, why, also=also, refused=refused)
            except (RedisError, OSError, Busy):
                raise
            except Exception as error:
                log.exception("a writer could not be told", topic=record.topic, error=type(error).__name__)
            else:
                return
        await self._dead_letter(record, reason, why, also=also)

    async def _dead_letter(
        self,
        record: "ConsumerRecord[Any, Any]",
        reason: Reason,
        detail: str,
        *,
        also: tuple[Emit, ...] = (),
        refused: Transition | None = None,
        cause: str = "",
    ) -> None:
        """Store the letter, once for each group: by where the message lay, or by ``cause``."""
        letter = letter_of(record, self._service.name, reason, detail)
        id_ = letter_id(letter)
        log.warning("dead letter", topic=record.topic, reason=reason, detail=letter.detail, letter=id_)
        emit = (*told(letter, moment(self._store.clock.now())), *also)
        transition = refused.and_emit(*emit) if refused else decided(*emit)
        await self._store.apply(transition, cause=cause or f"dead-letter#{id_}", cause_id=id_)
