"""Floods one service with messages, and counts what took effect and what is in the dead-letter topic."""

import asyncio
import time
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from benchmarks.mixture import GROUP, Sample
from contracts.dead_letter import DeadLettered
from contracts.envelope import Meta, from_message
from contracts.recovery import CaptureSnapshot
from contracts.topics import DEAD_LETTERS
from services._chassis.assembly import assemble
from services._chassis.bus import KafkaTransport
from services._chassis.catch_up import CatchUp
from services._chassis.clock import Pace, PacedClock
from services._chassis.kafka_connection import KafkaConnection
from services._chassis.readiness import Readiness
from services._chassis.service import Service
from services._chassis.settings import Settings
from services._chassis.store import RedisStore
from services._chassis.tasks import end
from services._chassis.topics import ensure_topics
from services._chassis.transition import Decision, Transition

LARGEST = 1_048_576
"""Kafka's largest message, in bytes."""
IN_FLIGHT = 1_000
"""How many messages are sent before their confirmations are awaited."""
LOOK_SECONDS = 0.1

Place = tuple[str, int, int]
"""Topic, partition and offset."""


@dataclass(frozen=True, slots=True)
class Tally:
    """The service's state: how many messages took effect, and which, as the sum of their ids' checksums."""

    count: int = 0
    total: int = 0

    def and_one(self, id_: str) -> Self:
        return type(self)(self.count + 1, self.total + zlib.crc32(id_.encode()))

    def plus(self, other: Self) -> Self:
        return type(self)(self.count + other.count, self.total + other.total)

    @classmethod
    def read(cls, state: bytes | None) -> Self:
        return cls(*map(int, state.split())) if state else cls()

    def write(self) -> bytes:
        return b"%d %d" % (self.count, self.total)


@dataclass(frozen=True, slots=True)
class Outcome:
    messages: int
    seconds: float
    expected: frozenset[Place]
    letters: Counter[Place]
    """Place of a message → number of dead letters about it."""
    sent: Tally
    handled: Tally

    @property
    def rate(self) -> float:
        """Return the rate in messages a second."""
        return self.messages / self.seconds

    @property
    def violations(self) -> list[str]:
        """Return sentences: each bad message must have one letter, and each good one must have taken effect once."""
        found = frozenset(self.letters)
        counts = {
            "bad messages without a dead letter": len(self.expected - found),
            "dead letters about good messages": len(found - self.expected),
            "dead letters too many": self.letters.total() - len(found),
        }
        sentences = [f"{count} {what}" for what, count in counts.items() if count]
        if self.sent != self.handled:
            sentences.append(
                f"{self.handled.count} of {self.sent.count} messages took effect, or not those that were sent"
            )
        return sentences


async def _count(event: CaptureSnapshot, meta: Meta) -> Transition:
    return Transition(str(event.target), lambda state: Decision(Tally.read(state).and_one(meta.id).write()))


async def flood(kafka: str, redis: Any, samples: Sequence[Sample], *, longest: float) -> Outcome:
    """Send all, and then let the service read. Raise ``TimeoutError`` after ``longest`` seconds of it.

    Kafka and Redis must be new: all that is in them counts.
    """
    await ensure_topics(KafkaConnection(kafka), 1)
    places = await _send(kafka, samples)
    store = RedisStore(redis, GROUP, PacedClock(Pace()))
    async with _serving(kafka, store) as progress:
        begun = time.perf_counter()
        async with asyncio.timeout(longest):
            while not _are_read(places, progress.offsets.to_commit()) or await redis.xlen(store.key("outbox")):  # noqa: ASYNC110
                await asyncio.sleep(LOOK_SECONDS)
        seconds = time.perf_counter() - begun
    good = Tally()
    for sample in samples:
        good = good if sample.bad else good.and_one(dict(sample.headers)["ce_id"].decode())
    return Outcome(
        messages=len(samples),
        seconds=seconds,
        expected=frozenset(place for place, sample in zip(places, samples, strict=True) if sample.bad),
        letters=await _letters(kafka),
        sent=good,
        handled=await _handled(store),
    )


async def _send(kafka: str, samples: Sequence[Sample]) -> list[Place]:
    producer = AIOKafkaProducer(bootstrap_servers=kafka, max_request_size=LARGEST)
    await producer.start()
    places: list[Place] = []
    try:
        for first in range(0, len(samples), IN_FLIGHT):
            sent = [
                await producer.send(sample.topic, sample.value, sample.key, headers=sample.headers)
                for sample in samples[first : first + IN_FLIGHT]
            ]
            places += [(place.topic, place.partition, place.offset) for place in await asyncio.gather(*sent)]
    finally:
        await producer.stop()
    return places


@asynccontextmanager
async def _serving(kafka: str, store: RedisStore) -> AsyncIterator[CatchUp]:
    """Run consumer, relay and watchdog, as a process does."""
    settings = Settings(kafka_bootstrap_servers=kafka)
    transport = KafkaTransport(store, settings, KafkaConnection(settings.kafka_bootstrap_servers))
    service = Service(GROUP, handlers={CaptureSnapshot: _count})
    assembly = assemble(service, store, transport, settings, Readiness())
    await transport.broker.start()
    loops = [asyncio.create_task(run()) for run in assembly.loops.values()]
    try:
        yield transport.progress
    finally:
        await end(loops)
        await transport.broker.stop()


def _are_read(places: Iterable[Place], until: Mapping[TopicPartition, int]) -> bool:
    return all(until.get(TopicPartition(topic, partition), 0) > offset for topic, partition, offset in places)


async def _handled(store: RedisStore) -> Tally:
    found = Tally()
    async for key in store.redis.scan_iter(f"{store.key('state')}:*", count=1000):
        found = found.plus(Tally.read(await store.redis.hget(key, "data")))
    return found


async def _letters(kafka: str) -> Counter[Place]:
    """Read the dead-letter topic to its end."""
    found: Counter[Place] = Counter()
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = [TopicPartition(DEAD_LETTERS.name, number) for number in range(DEAD_LETTERS.partitions)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        while any([await consumer.position(partition) < ends[partition] for partition in partitions]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    letter = from_message(record.headers, record.value).event
                    if isinstance(letter, DeadLettered):
                        found[letter.topic, letter.partition, letter.offset] += 1
    finally:
        await consumer.stop()
    return found
