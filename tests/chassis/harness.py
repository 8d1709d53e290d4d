"""A service for one test on the dev broker, and what tests send to it and read from it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from contracts.base import Target
from contracts.envelope import Envelope, Meta, from_message
from services._chassis.assembly import assemble
from services._chassis.bus import KafkaTransport
from services._chassis.clock import Pace, PacedClock
from services._chassis.kafka_connection import KafkaConnection
from services._chassis.readiness import Readiness
from services._chassis.service import Service
from services._chassis.settings import Settings
from services._chassis.store import RedisStore
from services._chassis.tasks import end
from services._chassis.topics import ensure_topics

TARGET = Target(account="123456789012", region="us-west-2", cluster="c", service="s")

Sent = tuple[str, bytes | None, list[tuple[str, Any]], bytes | None]
"""Topic, key, headers, value."""


@contextlib.asynccontextmanager
async def serving(kafka: str, redis: Any, service: Service) -> AsyncIterator[None]:
    """Run consumer, relay, timers and executor of ``service``."""
    await ensure_topics(KafkaConnection(kafka), 1)
    store = RedisStore(redis, service.name, PacedClock(Pace()))
    settings = Settings(kafka_bootstrap_servers=kafka)
    transport = KafkaTransport(store, settings, KafkaConnection(settings.kafka_bootstrap_servers))
    assembly = assemble(service, store, transport, settings, Readiness())
    await transport.broker.start()
    tasks = [asyncio.ensure_future(loop()) for loop in assembly.loops.values()]
    yield
    assert not await end(tasks, 20)
    await asyncio.wait_for(transport.broker.stop(), 20)


@contextlib.asynccontextmanager
async def reading(kafka: str, *topics: str) -> AsyncIterator[Callable[[int], Awaitable[list[Any]]]]:
    """Read topics from their beginning: ``await take(3)`` is the next three records."""
    consumer = AIOKafkaConsumer(*topics, bootstrap_servers=kafka, auto_offset_reset="earliest")
    await consumer.start()

    async def take(number: int) -> list[Any]:
        async with asyncio.timeout(20):
            return [await consumer.getone() for _ in range(number)]

    try:
        yield take
    finally:
        await consumer.stop()


async def send(kafka: str, *messages: Sent, partition: int | None = None) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    for topic, key, headers, value in messages:
        await producer.send_and_wait(topic, value, key=key, headers=headers, partition=partition)
    await producer.stop()


def command(id_: str, event: Any, sent_at: datetime | None = None, **meta: Any) -> Sent:
    """Return ``event`` as the orchestrator sends it, now unless ``sent_at`` says when."""
    sent_at = sent_at or datetime.now(UTC)
    message = Envelope(Meta(id_, "surefoot/orchestrator", sent_at, run_id="run", **meta), event).to_message()
    return message.topic, message.key, list(message.headers), message.value


def event_of(record: Any) -> Any:
    return from_message(record.headers, record.value).event


async def until(holds: Callable[[], bool], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110  the condition is the test's
            await asyncio.sleep(0.01)
