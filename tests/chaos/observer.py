"""Reads every topic from its beginning, and publishes requests: the harness's connection to the bus."""

import asyncio
import threading
import uuid
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

import orjson
import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from contracts.audit import AuditRecord
from contracts.base import Event
from contracts.catalogue import topics_of
from contracts.dead_letter import DeadLettered
from contracts.deployment import AbortRequested, DeploymentFinished
from contracts.envelope import Envelope, InvalidMessage, Meta, from_message
from contracts.recovery import RollbackStarted
from contracts.run_verbs import ApprovalDecided, HoldBegan, PauseRequested, ReleaseRequested, ResumeRequested, RunHeld
from contracts.topics import TOPICS, Party
from services._chassis.records import read_bounded
from surefoot.signing import signed
from tests.chaos.requests import PAUSE_MINUTES, SOURCE, Asked

BAD = "chaos-bad"
"""The header of messages that are meant to become dead letters."""
AGAIN_SECONDS = 0.5
INSTANCE = "chaos"
"""The one replica of each service."""

log = structlog.get_logger()
Kind = TypeVar("Kind")
Place = tuple[str, int, int]
"""Topic, partition, offset."""


@dataclass
class Seen:
    """The events that were on the bus. It only grows, so that another thread may read it."""

    events: dict[str, Envelope] = field(default_factory=dict)
    """Source and id → event, in the order of first arrival."""
    contradictions: list[tuple[Envelope, Envelope]] = field(default_factory=list)
    """Pairs of events with the same id and different contents."""
    ended: dict[str, DeploymentFinished] = field(default_factory=dict)
    """Run → its end."""
    rollbacks: list[RollbackStarted] = field(default_factory=list)
    held: list[RunHeld] = field(default_factory=list)
    """Runs that wait for an approval, each time that they say so."""
    copies: int = 0
    bad: set[Place] = field(default_factory=set)
    letters: list[DeadLettered] = field(default_factory=list)
    audit: list[bytes] = field(default_factory=list)
    """Records as they were published."""

    def of(self, kind: type[Kind]) -> list[Kind]:
        events = (envelope.event for envelope in list(self.events.values()))
        return [event for event in events if isinstance(event, kind)]

    def keep(self, path: Path) -> None:
        """Write each event in a line of a file, so that the campaign can be examined later."""
        with path.open("wb") as file:
            for envelope in list(self.events.values()):
                meta = envelope.meta
                line = {"id": meta.id, "type": envelope.entry.type, "time": meta.time, "run": meta.run_id}
                file.write(orjson.dumps({**line, "event": envelope.event.model_dump(mode="json")}) + b"\n")

    def add(self, key: str, envelope: Envelope) -> None:
        """Add an event that was not seen before."""
        self.events[key] = envelope
        match envelope.event:
            case DeadLettered() as letter:
                self.letters.append(letter)
            case DeploymentFinished() as end:
                self.ended[end.run_id] = end
            case RollbackStarted() as rollback:
                self.rollbacks.append(rollback)
            case RunHeld() as held if held.plan:
                self.held.append(held)


class Observer:
    """Reads and publishes in a thread of its own; ``seen`` grows while it runs."""

    def __init__(self, bootstrap: str, environment: Mapping[str, str]) -> None:
        """``environment`` names the key with which it signs what it publishes."""
        self._environment = environment
        self.seen = Seen()
        self._bootstrap = bootstrap
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="observer", daemon=True)
        self._reading: Future[None] | None = None
        self._producer: Any = None
        self._one_at_a_time = asyncio.Lock()
        self._places: dict[TopicPartition, int] = {}

    def start(self) -> None:
        read_bounded()
        self._thread.start()
        self._reading = asyncio.run_coroutine_threadsafe(self._read(), self._loop)

    def stop(self) -> None:
        if self._reading:
            self._reading.cancel()
        asyncio.run_coroutine_threadsafe(self._drop_producer(), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def ask(self, asked: Asked) -> Future[None]:
        """Publish a request; the future ends when Kafka has confirmed it."""
        return self.publish(Envelope(Meta(asked.id, SOURCE, datetime.now(UTC)), asked.event))

    def abort(self, asked: Asked) -> Future[None]:
        event = AbortRequested(target=asked.target, run_id=asked.run_id, actor="chaos", reason="as planned")
        return self.publish(Envelope(Meta(f"abort-{asked.number}", SOURCE, datetime.now(UTC)), event))

    def pause(self, asked: Asked) -> Future[None]:
        event = PauseRequested(target=asked.target, run_id=asked.run_id, actor="chaos", minutes=PAUSE_MINUTES)
        return self.publish(Envelope(Meta(f"pause-{asked.number}", SOURCE, datetime.now(UTC)), event))

    def resume(self, asked: Asked) -> Future[None]:
        event = ResumeRequested(target=asked.target, run_id=asked.run_id, actor="chaos")
        return self.publish(Envelope(Meta(f"resume-{asked.number}", SOURCE, datetime.now(UTC)), event))

    def decide(self, held: RunHeld, by: str, decision: Literal["approve", "reject"]) -> Future[None]:
        event = ApprovalDecided(target=held.target, run_id=held.run_id, plan=held.plan, decision=decision, actor=by)
        id_ = f"{decision}-{held.run_id}-{held.plan}-{by}"
        return self.publish(Envelope(Meta(id_, SOURCE, datetime.now(UTC)), event))

    def release(self, hold: HoldBegan, by: str) -> Future[None]:
        event = ReleaseRequested(target=hold.target, actor=by, reason=hold.hold_id, hold_id=hold.hold_id)
        return self.publish(Envelope(Meta(f"release-{hold.hold_id}-{by}", SOURCE, datetime.now(UTC)), event))

    def publish(self, envelope: Envelope) -> Future[None]:
        message = signed(envelope.to_message(), Party.CI, self._environment)
        return self.send(message.topic, message.key, list(message.headers), message.value)

    def send(self, topic: str, key: bytes | None, headers: list[tuple[str, Any]], value: bytes | None) -> Future[None]:
        """Publish as it is, and try again until Kafka has it: a second copy has the same id."""
        return asyncio.run_coroutine_threadsafe(self._send(topic, key, headers, value), self._loop)

    async def _send(self, topic: str, key: bytes | None, headers: list[tuple[str, Any]], value: bytes | None) -> None:
        while True:
            try:
                async with self._one_at_a_time:
                    if self._producer is None:
                        self._producer = AIOKafkaProducer(
                            bootstrap_servers=self._bootstrap, acks="all", request_timeout_ms=5000
                        )
                        await self._producer.start()
                await self._producer.send_and_wait(topic, value, key=key, headers=headers)
            except (KafkaError, OSError) as error:
                log.info("the harness asks again", why=type(error).__name__)
                await self._drop_producer()
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                return

    def reset_offsets(self, service: str) -> Future[None]:
        """Let Kafka forget how far a service has read; the service must not run."""
        return asyncio.run_coroutine_threadsafe(self._reset_offsets(service), self._loop)

    async def _reset_offsets(self, service: str) -> None:
        topics = topics_of(Party(service))
        consumer: Any = AIOKafkaConsumer(
            *(topic.name for topic in topics),
            bootstrap_servers=self._bootstrap,
            group_id=service,
            group_instance_id=f"{service}-{INSTANCE}",  # it takes the dead one's place at once
            enable_auto_commit=False,
        )
        try:
            await asyncio.wait_for(consumer.start(), 10)
            await consumer.commit(dict.fromkeys(consumer.assignment(), 0))
        except (KafkaError, OSError, TimeoutError) as error:
            log.info("the offsets could not be reset", why=type(error).__name__)
        finally:
            await consumer.stop()

    async def _drop_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                await asyncio.wait_for(producer.stop(), 5)
            except (KafkaError, OSError, TimeoutError):
                log.info("a producer of the harness did not end well")

    async def _read(self) -> None:
        while True:
            consumer: Any = AIOKafkaConsumer(
                bootstrap_servers=self._bootstrap, client_id=f"observer-{uuid.uuid4().hex[:6]}", fetch_max_wait_ms=100
            )
            try:
                await consumer.start()
                partitions = [TopicPartition(topic.name, n) for topic in TOPICS for n in range(topic.partitions)]
                consumer.assign(partitions)
                for partition in partitions:
                    consumer.seek(partition, self._places.get(partition, 0))
                while True:
                    for partition, records in (await consumer.getmany(timeout_ms=200)).items():
                        for record in records:
                            self._see(record)
                            self._places[partition] = record.offset + 1
            except (KafkaError, OSError) as error:
                log.info("the observer begins again", why=type(error).__name__)
                await asyncio.sleep(AGAIN_SECONDS)
            finally:
                await consumer.stop()

    def _see(self, record: Any) -> None:
        if any(name == BAD for name, _ in record.headers):
            self.seen.bad.add((record.topic, record.partition, record.offset))
            return
        try:
            envelope = from_message(record.headers, record.value)
        except InvalidMessage:
            return  # of a newer version
        if isinstance(envelope.event, AuditRecord):
            self.seen.audit.append(record.value)
        key = f"{envelope.meta.source}#{envelope.meta.id}"
        first = self.seen.events.get(key)
        if first is None:
            self.seen.add(key, envelope)
            return
        self.seen.copies += 1
        if isinstance(envelope.event, Event) and envelope.event != first.event:
            self.seen.contradictions.append((first, envelope))
