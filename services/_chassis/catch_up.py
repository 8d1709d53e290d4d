"""Decides from which offsets a service reads on, after a rebalance and whenever Redis was restarted or restored.

Kafka's offsets and the state in Redis are two truths about what was read. A Redis that was restored from an older
copy, or that failed over to a replica, knows less than Kafka and less than this process has written; what it does not
know is read again, and what this service has itself published is read before all else.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

import structlog
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError
from redis.exceptions import RedisError

from services._chassis.consumer import Reading
from services._chassis.offsets import Offsets, field_of
from services._chassis.store import RedisStore

AGAIN_SECONDS = 1.0
"""Real seconds until Redis is asked again for the offsets, without which nothing can be read."""
CATCH_UP_SECONDS = 120.0
"""The longest, in real seconds, that timers and other topics wait for the catching up."""
POSITION_SECONDS = 10.0
"""The longest, in real seconds, that Kafka may take to answer a question for offsets."""

log = structlog.get_logger()


class CatchUp(ConsumerRebalanceListener):
    """One service's progress in reading all its partitions.

    The store writes nothing into a restarted Redis before reading has gone back to the offsets that this Redis holds.
    """

    def __init__(
        self, store: RedisStore, replay_first: frozenset[str] = frozenset(), partitions: int = 0, session: float = 0
    ) -> None:
        """``replay_first``: names of topics that are read to their end before any other one.

        ``partitions``: all that the service reads, by all its replicas. ``session``: real seconds after which Kafka
        gives those of a dead replica to others.
        """
        self._store = store
        self.offsets = Offsets(store)
        self._replay_first = replay_first
        self._partitions = partitions
        self._session = session
        self._reading = 0
        """Grows whenever reading goes back; the end of a message that was begun before is not noted any more."""
        self._goals: dict[TopicPartition, int] | None = None
        """The offset to which each partition must be read before timers fire; None before the first assignment."""
        self._restored: set[TopicPartition] = set()
        """The partitions that are not yet read up to their goal since Redis was started anew."""
        self._others_wait = False
        """Whether all topics except ``replay_first`` are paused."""
        self._catching_up_until = time.monotonic() + CATCH_UP_SECONDS
        self.consumer: Callable[[], Any] = lambda: None
        """Returns aiokafka's consumer, or None before it was started."""
        self.lost_since: float | None = None
        """The real time since which Redis has been another one and reading could not go back yet; None normally."""
        self.taken = 0
        """How many messages this process has taken up, handled or not."""

    def begin(self) -> Reading:
        self.taken += 1
        return Reading(self._reading, self._store.redis_run_id)

    def is_stale(self, reading: Reading) -> bool:
        return reading.number != self._reading

    def is_read_again(self, topic: str, partition: int, offset: int) -> bool:
        place = TopicPartition(topic, partition)
        return place in self._restored and self._goals is not None and offset < self._goals.get(place, 0)

    def handled(self, topic: str, partition: int, offset: int, reading: Reading) -> None:
        if self.is_stale(reading):
            return
        place = TopicPartition(topic, partition)
        self.offsets.note(place, offset + 1)
        if self._goals and offset + 1 >= self._goals.get(place, 0):
            self._goals.pop(place, None)
            self._let_read()

    def put_off(self, topic: str, partition: int, offset: int, seconds: float) -> None:
        """Pause the partition before the message at ``offset`` for so many real seconds; the others are read on."""
        consumer, place = self.consumer(), TopicPartition(topic, partition)
        if place not in consumer.assignment():
            return
        consumer.seek(place, offset)
        consumer.pause(place)
        asyncio.get_running_loop().call_later(seconds, partial(_resume, self.consumer, place))

    def catching_up(self) -> bool:
        """Return True until everything that Kafka held at the last assignment has been read.

        Timers do not fire until then: the answer that a deadline waits for may be among it.
        """
        return self._goals != {} and time.monotonic() < self._catching_up_until

    def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Forget these partitions: another replica reads them now. What is unread is unknown until an assignment."""
        self.offsets.forget(revoked)
        self._goals, self._others_wait = None, False
        self._restored.clear()
        self._catching_up_until = time.monotonic() + CATCH_UP_SECONDS
        self._reading += 1

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Seek back to the offsets in Redis, where these are before those committed to Kafka.

        Nothing is read before that is known, however long Redis is away.
        """
        if not assigned:
            self._goals = {}
            return
        consumer, partitions = self.consumer(), sorted(assigned)
        consumer.pause(*partitions)
        while True:
            try:
                async with asyncio.timeout(POSITION_SECONDS):
                    reading = self._reading
                    committed = {partition: await consumer.committed(partition) for partition in partitions}
                    await self._go_back(consumer, committed, reading)
            except (RedisError, KafkaError, OSError) as error:
                log.warning("nothing is read before the offsets are known", why=type(error).__name__)
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                consumer.resume(*partitions)
                self._let_read()
                return

    def _let_read(self) -> None:
        """Pause the other topics until those to be replayed first are read, or ``CATCH_UP_SECONDS`` are over."""
        consumer = self.consumer()
        others_wait = self.catching_up() and not self._replay_first.isdisjoint(
            partition.topic for partition in self._goals or ()
        )
        if others_wait or self._others_wait:
            others = [partition for partition in consumer.assignment() if partition.topic not in self._replay_first]
            (consumer.pause if others_wait else consumer.resume)(*others)
        self._others_wait = others_wait

    async def keep(self) -> None:
        """Write the new offsets into Redis; where Redis was restarted, read again what it may have lost."""
        if self._others_wait:
            self._let_read()
        # taken together, without an await: a rebalance may come at any await
        reading, run_id, new = self._reading, self._store.redis_run_id, self.offsets.new()
        if self.catching_up():
            await self.offsets.announce_catching_up()
        complete = {partition for partition in self._restored if partition not in (self._goals or {})}
        kept = await self.offsets.write(new, run_id, complete if self._goals is not None else ())
        if reading != self._reading or self._goals is None:
            return  # the assignment to come goes back, or has just done so
        if kept:
            self.offsets.written(new)
            self._restored -= complete
            return
        self.lost_since = self.lost_since or time.monotonic()
        consumer = self.consumer()
        async with asyncio.timeout(POSITION_SECONDS):
            read = {partition: await consumer.position(partition) for partition in consumer.assignment()}
            await self._go_back(consumer, read, reading)
        self._let_read()

    async def _go_back(self, consumer: Any, read: Mapping[TopicPartition, int | None], reading: int) -> None:
        """Seek ``consumer`` back to the offsets in Redis, where it has ``read`` further (None: never).

        It seeks even where there is nothing to go back to: messages in flight, and commits of this moment, count for
        nothing from here on. ``reading`` is the generation in which ``read`` was taken; a later generation wins.
        """
        ends = await self._ends(consumer, read)
        run_id, stands, restored = await self.offsets.known(read)
        goals = {partition: end for partition, end in ends.items() if stands[partition] < end}
        if goals or self._store.redis_run_id != run_id:
            # before anything is written: the timers of no other replica may fire, either
            await self.offsets.announce_catching_up()
        if self._store.redis_run_id not in {"", run_id} and len(read) < self._partitions:
            # the replica with the other partitions may be dead, and its successor has to read what this Redis has lost
            await self.offsets.announce_catching_up(self._session)
        if self._reading != reading:
            return  # the partitions are others meanwhile
        reached = {}
        for partition, offset in read.items():
            if offset is None:
                continue
            consumer.seek(partition, stands[partition])
            if stands[partition] < offset:
                log.info(
                    "Redis knows less than Kafka; reading again",
                    partition=field_of(partition),
                    offset=stands[partition],
                )
                reached[partition] = offset
        self.offsets.go_back(reached)
        self._goals, self._catching_up_until = goals, time.monotonic() + CATCH_UP_SECONDS
        self._restored = restored
        self._reading += 1
        self._store.redis_run_id = run_id
        self.lost_since = None

    @staticmethod
    async def _ends(consumer: Any, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the end offsets of those partitions that have anything to read."""
        if not partitions:
            return {}
        begin, end = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
        return {partition: end[partition] for partition in partitions if begin[partition] < end[partition]}


def _resume(consumer: Callable[[], Any], partition: TopicPartition) -> None:
    if partition in consumer().assignment():
        consumer().resume(partition)
