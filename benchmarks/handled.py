"""Measures messages from Kafka to the acknowledgement: our consumer with ``apply``, and FastStream with one script."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaProducer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from faststream import AckPolicy
from faststream.kafka import KafkaBroker

from benchmarks.rounds import Compared, by_turns
from benchmarks.writes import BARE_SCRIPT, BareWrites, command, transition
from contracts.envelope import Meta
from contracts.recovery import CaptureSnapshot
from contracts.topics import RECOVERY_COMMANDS, Party
from services._chassis.bus import KafkaTransport
from services._chassis.clock import Pace, PacedClock
from services._chassis.consumer import Consumer
from services._chassis.kafka_connection import KafkaConnection
from services._chassis.service import Service
from services._chassis.settings import Settings
from services._chassis.signatures import UNSIGNED, Identity, Signatures, Signer, Trust
from services._chassis.signing_keys import TrustedKey
from services._chassis.store import RedisStore
from services._chassis.tasks import end
from services._chassis.transition import Transition

OURS, BARE = "recovery", "bare"
BARE_TOPIC = "bare.commands.v1"
LONGEST = 120.0
"""Real seconds for one round."""


@dataclass
class Course:
    """The times at which the messages of a round were taken up."""

    expected: int
    times: list[float] = field(default_factory=list)

    def note(self) -> None:
        self.times.append(time.perf_counter())

    @property
    def rate(self) -> float:
        """Return messages a second, from the first message to the last, acknowledgements included."""
        return (self.expected - 1) / (self.times[-1] - self.times[0])


@dataclass
class Bench:
    kafka: str
    redis: Any
    producer: AIOKafkaProducer
    messages: int
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    async def ours(self) -> float:
        return await self._consumed(UNSIGNED)

    async def signed(self) -> float:
        """Return the rate with signatures that are demanded; they are made before the time begins."""
        signer = Signer(Ed25519PrivateKey.generate())
        key = TrustedKey(Party.ORCHESTRATOR, signer.private.public_key())
        return await self._consumed(Identity(Trust(Signatures.DEMANDED, lambda: {key.id: key}), signer))

    async def _consumed(self, identity: Identity) -> float:
        course = Course(self.messages)
        await self._publish(RECOVERY_COMMANDS.name, identity)

        async def handler(event: CaptureSnapshot, meta: Meta) -> Transition:
            course.note()
            return transition(event.target, meta.id)

        settings = Settings(kafka_bootstrap_servers=self.kafka)
        store = RedisStore(self.redis, OURS, PacedClock(Pace()))
        transport = KafkaTransport(store, settings, KafkaConnection(settings.kafka_bootstrap_servers))
        service = Service(OURS, handlers={CaptureSnapshot: handler})
        consumer = Consumer(service, store, transport.progress, trust=identity.trust)
        # it keeps the offsets each second, which is a part of the price
        watching = asyncio.create_task(transport.read(OURS, [RECOVERY_COMMANDS.name], consumer.consume)())
        try:
            return await self._timed(transport.broker, course, store.key("outbox"), transport.progress.keep)
        finally:
            await end([watching])

    async def bare(self) -> float:
        course, writes = Course(self.messages), BareWrites(BARE)
        await self._publish(BARE_TOPIC)
        script = self.redis.register_script(BARE_SCRIPT)
        broker = KafkaBroker(self.kafka, apply_types=False, logger=None)

        async def whole(message: Any) -> Any:
            return message.raw_message

        @broker.subscriber(
            BARE_TOPIC,
            group_id=BARE,
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.NACK_ON_ERROR,
            decoder=whole,
        )
        async def handler(record: Any) -> None:
            course.note()
            cause = dict(record.headers)["ce_id"].decode()
            await script(keys=writes.keys(record.key.decode(), cause), args=writes.arguments)

        return await self._timed(broker, course, f"{{{BARE}}}:outbox")

    async def _publish(self, topic: str, identity: Identity = UNSIGNED) -> None:
        sent = []
        for _ in range(self.messages):
            message = identity.sign(command(next(self.numbers)).to_message())
            sent.append(await self.producer.send(topic, message.value, message.key, headers=list(message.headers)))
        await asyncio.gather(*sent)

    async def _timed(
        self, broker: KafkaBroker, course: Course, outbox: str, last: Callable[[], Awaitable[None]] | None = None
    ) -> float:
        """Let the broker read until all is in the outbox; both have to write all of it."""
        await broker.start()
        try:
            await _until(lambda: self._is_full(outbox))
            if last:
                await last()
        finally:
            await broker.stop()
        if len(course.times) != self.messages:
            raise RuntimeError(f"{len(course.times)} messages were taken up, {self.messages} were sent")
        await self.redis.delete(outbox)
        return course.rate

    async def _is_full(self, outbox: str) -> bool:
        held: int = await self.redis.xlen(outbox)
        return held >= self.messages


async def _until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(LONGEST):
        while not await holds():  # noqa: ASYNC110  Redis does not notify
            await asyncio.sleep(0.2)


async def handled(kafka: str, redis: Any, *, messages: int, rounds: int) -> tuple[Compared, Compared]:
    """Compare messages a second with a bare script's, and those with signatures with those without.

    The topics are there already.
    """
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    try:
        bench = Bench(kafka, redis, producer, messages)
        return (
            await by_turns("message → handler → apply → acknowledged", bench.ours, bench.bare, rounds),
            await by_turns("the same, signed and not signed", bench.signed, bench.ours, rounds),
        )
    finally:
        await producer.stop()
