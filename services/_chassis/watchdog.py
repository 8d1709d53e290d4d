"""Sees what a ping does not: a consumer that stands still, and a Redis that has forgotten.

Kafka's offsets and the state in Redis are two truths about what was read. Each second the position up to which a
service has handled its partitions is written into Redis, beside the state. A Redis that was restored from an older
copy then knows less than Kafka, and its service reads again from where Redis stands.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import structlog
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError
from redis.exceptions import RedisError

KEEP_SECONDS = 1.0
"""Real seconds between two writings of the positions."""
LOOKS = 6
"""Looks at the consumer within the time for which it may stand still."""

log = structlog.get_logger()


class Stalled(Exception):  # noqa: N818  it says what is the matter
    """The consumer stands still; only a new process helps."""


class Forgotten(Exception):  # noqa: N818  it says what is the matter
    """Redis has lost what it had acknowledged; whatever this process believes may be wrong."""


class Positions(ConsumerRebalanceListener):
    """Up to where one service has handled each partition, kept beside its state.

    A position is written after what it covers, so that an older copy of Redis never claims more than it holds.
    It may claim up to a second less: what is read again then is dropped by the inbox.
    """

    def __init__(self, redis: Any, key: str, instance: str) -> None:
        self._redis = redis
        self._key = key
        self._beat = f"beat:{instance}"
        self._beats = 0
        self._handled: dict[TopicPartition, int] = {}
        self._kept: dict[TopicPartition, int] = {}
        self.consumer: Callable[[], Any] = lambda: None
        """Returns aiokafka's consumer, or None before it was started."""
        self.taken = 0
        """Messages taken up in this process, handled or not."""

    def handled(self, topic: str, partition: int, offset: int) -> None:
        """Note that the message at ``offset`` is done with."""
        self._handled[TopicPartition(topic, partition)] = offset + 1

    def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Forget: another replica goes on with these."""
        for partition in revoked:
            self._handled.pop(partition, None)
            self._kept.pop(partition, None)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Go back to where Redis stands, where that is before what Kafka has as committed.

        Nothing is read before that is known, however long Redis is away.
        """
        if not assigned:
            return
        consumer, partitions = self.consumer(), sorted(assigned)
        consumer.pause(*partitions)
        while True:
            try:
                await self._go_back(consumer, partitions)
            except (RedisError, KafkaError, OSError) as error:
                log.warning("nothing is read before the positions are known", why=type(error).__name__)
                await asyncio.sleep(KEEP_SECONDS)
            else:
                consumer.resume(*partitions)
                return

    async def _go_back(self, consumer: Any, partitions: list[TopicPartition]) -> None:
        known = await self._redis.hmget(self._key, [_field(one) for one in partitions])
        for partition, offset in zip(partitions, known, strict=True):
            if offset is None:
                continue
            committed = await consumer.committed(partition)
            if committed is not None and int(offset) < committed:
                consumer.seek(partition, int(offset))
                log.info("Redis knows less than Kafka; reading again", partition=_field(partition), offset=int(offset))

    async def keep(self) -> None:
        """Write what is new. Raise ``Forgotten`` when Redis does not have what was written before."""
        new = {one: offset for one, offset in self._handled.items() if self._kept.get(one) != offset}
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.hget(self._key, self._beat)
            pipeline.hset(self._key, self._beat, self._beats + 1)
            for partition, offset in new.items():
                pipeline.hset(self._key, _field(partition), offset)
            before, *_ = await pipeline.execute()
        if self._beats and int(before or 0) < self._beats:
            raise Forgotten("Redis was restored from an older copy; this process starts anew from what Redis knows")
        self._beats += 1
        self._kept |= new


class Watchdog:
    """Watches one service's consumer. ``run`` ends by a fault only, which ends the process."""

    def __init__(self, service: str, positions: Positions, stall: float) -> None:
        self._service = service
        self._positions = positions
        self._stall = stall
        self._taken = 0
        self._moved = self._looked = time.monotonic()

    @property
    def assigned(self) -> bool:
        """Whether this replica has partitions to read."""
        consumer = self._positions.consumer()
        return consumer is not None and bool(consumer.assignment())

    async def run(self) -> None:
        """Look each second. Raise ``Stalled`` or ``Forgotten``; errors of Redis go to the caller."""
        while True:
            await self._positions.keep()
            if time.monotonic() - self._looked > self._stall / LOOKS:
                await self._look()
                self._looked = time.monotonic()
            await asyncio.sleep(KEEP_SECONDS)

    async def _look(self) -> None:
        consumer = self._positions.consumer()
        assignment = consumer.assignment()
        if self._positions.taken != self._taken or (assignment and not await self._lags(consumer, assignment)):
            self._taken, self._moved = self._positions.taken, time.monotonic()
            return
        still = time.monotonic() - self._moved
        if still > self._stall:
            what = "has messages before it and takes none" if assignment else "has no partitions"
            raise Stalled(f"the consumer of {self._service} {what} for {still:.0f} seconds")

    async def _lags(self, consumer: Any, assignment: set[TopicPartition]) -> bool:
        """Whether Kafka holds messages that this consumer has not taken up."""
        try:
            async with asyncio.timeout(self._stall):
                for partition, end in (await consumer.end_offsets(assignment)).items():
                    if end > await consumer.position(partition):
                        return True
        except (KafkaError, TimeoutError) as error:
            # without Kafka nothing can be said, and a new process would reach no more than this one
            log.warning("no look at the consumer", service=self._service, why=type(error).__name__)
        return False


def _field(partition: TopicPartition) -> str:
    return f"{partition.topic}/{partition.partition}"
