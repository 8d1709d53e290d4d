"""Up to where a service has read, kept in Redis beside its state.

Kafka's offsets and the state in Redis are two truths about what was read. A Redis that was restored from an older
copy, or that failed over to a replica, knows less than Kafka and less than this process was told; what it does not
know is read again, and what this service has itself told the world is read before all else.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from math import ceil
from typing import Any, NamedTuple

import structlog
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError
from redis.exceptions import RedisError

from services._chassis.store import RedisStore

AGAIN_SECONDS = 1.0
"""Real seconds until Redis is asked again for the positions that nothing can be read without."""
BEHIND_SECONDS = 120.0
"""The longest, in real seconds, for which something waits until what Kafka holds is read."""
TOLD_SECONDS = 3
"""Real seconds for which one replica's word that it is behind holds for all; it is renewed each second."""
POSITION_SECONDS = 10.0
"""The longest, in real seconds, that Kafka may take to tell where a consumer stands."""

log = structlog.get_logger()

_RUN = """
local run = string.match(redis.call("INFO", "server"), "run_id:(%w+)")
"""
_KNOWN = f"""{_RUN}
for i = 1, #ARGV, 2 do redis.call("HSETNX", KEYS[1], ARGV[i], ARGV[i + 1]) end
local known = {{run}}
for i = 1, #ARGV, 2 do known[#known + 1] = redis.call("HGET", KEYS[1], ARGV[i]) end
return known
"""
_KEEP = f"""{_RUN}
if run ~= ARGV[1] then return "another run" end
for i = 2, #ARGV, 2 do redis.call("HSET", KEYS[1], ARGV[i], ARGV[i + 1]) end
return "kept"
"""


class Reading(NamedTuple):
    """Between two times at which reading goes back."""

    number: int
    run: str
    """Of Redis."""


class Positions(ConsumerRebalanceListener):
    """Up to where one service has handled each partition.

    A position is written after what it covers, and only into the same run of Redis (``run_id``) that has acknowledged
    it: so no Redis, original or copy, claims more than it holds. It may claim a second less; what is read again then
    is dropped by the inbox. Every partition has a position from its first assignment on. The store writes into no new
    run of Redis before reading has gone back.
    """

    def __init__(
        self, store: RedisStore, own: frozenset[str] = frozenset(), partitions: int = 0, session: float = 0
    ) -> None:
        """``own``: topics that nobody but this service writes; they are read to their end before any other one.

        ``partitions``: of all that the service reads, by all its replicas. ``session``: real seconds after which Kafka
        gives those of a dead replica to others.
        """
        self._store = store
        self._own = own
        self._partitions = partitions
        self._session = session
        self._known = store.redis.register_script(_KNOWN)
        self._keep = store.redis.register_script(_KEEP)
        self._key = store.key("positions")
        self._reading = 0
        """Grows whenever reading goes back: what was taken up before is not noted any more."""
        self._handled: dict[TopicPartition, int] = {}
        self._kept: dict[TopicPartition, int] = {}
        self._read: dict[TopicPartition, int] = {}
        """How far reading had come when it went back."""
        self._goals: dict[TopicPartition, int] | None = None
        """Up to where a partition is read before deadlines are judged; None before the first assignment."""
        self._own_first = False
        """Whether all but ``own`` topics wait."""
        self._behind_until = time.monotonic() + BEHIND_SECONDS
        self.consumer: Callable[[], Any] = lambda: None
        """Returns aiokafka's consumer, or None before it was started."""
        self.astray_since: float | None = None
        """Real time since which Redis is another one and reading could not go back yet."""
        self.taken = 0
        """Messages taken up in this process, handled or not."""

    def take(self) -> Reading:
        """Note that a message is taken up; return what ``handled`` wants to know of it."""
        self.taken += 1
        return Reading(self._reading, self._store.run)

    def behind(self) -> bool:
        """Whether Kafka held answers at the last assignment that are not read yet: no deadline is judged without."""
        return self._goals != {} and time.monotonic() < self._behind_until

    def goes_back(self, reading: Reading) -> bool:
        """Whether what was taken up then is read again anyway."""
        return reading.number != self._reading

    def handled(self, topic: str, partition: int, offset: int, reading: Reading) -> None:
        """Note that the message at ``offset`` is done with, unless it is read again anyway."""
        if self.goes_back(reading):
            return
        place = TopicPartition(topic, partition)
        self._handled[place] = offset + 1
        if self._goals and offset + 1 >= self._goals.get(place, 0):
            self._goals.pop(place, None)
            self._let_read()

    def to_commit(self) -> dict[TopicPartition, int]:
        """Return the offsets behind what is handled.

        What is read again stays committed further on: whoever goes on with it sees what there is to read again.
        """
        return {one: offset for one, offset in self._handled.items() if offset >= self._read.get(one, 0)}

    def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Forget: another replica goes on with these. Nobody knows what is behind until partitions are assigned."""
        for noted in (self._handled, self._kept, self._read):
            for partition in revoked:
                noted.pop(partition, None)
        self._goals, self._own_first = None, False
        self._behind_until = time.monotonic() + BEHIND_SECONDS
        self._reading += 1

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Go back to where Redis stands, where that is before what Kafka has as committed.

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
                    committed = {one: await consumer.committed(one) for one in partitions}
                    await self._go_back(consumer, committed, reading)
            except (RedisError, KafkaError, OSError) as error:
                log.warning("nothing is read before the positions are known", why=type(error).__name__)
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                consumer.resume(*partitions)
                self._let_read()
                return

    def _let_read(self) -> None:
        """Let the other topics wait as long as our own are not read, but not for ever."""
        consumer = self.consumer()
        own_first = self.behind() and not self._own.isdisjoint(one.topic for one in self._goals or ())
        if own_first or self._own_first:
            others = [one for one in consumer.assignment() if one.topic not in self._own]
            (consumer.pause if own_first else consumer.resume)(*others)
        self._own_first = own_first

    async def keep(self) -> None:
        """Write what is new; where Redis is not the one that it was, read again what it may have lost."""
        if self._own_first:
            self._let_read()
        # all of one moment: a rebalance may come at any await
        reading, run = self._reading, self._store.run
        new = {one: offset for one, offset in self._handled.items() if self._kept.get(one) != offset}
        places = [part for one, offset in new.items() for part in (_field(one), offset)]
        if self.behind():
            await self._tell_behind()
        kept = await self._keep(keys=[self._key], args=[run, *places]) == b"kept"
        if reading != self._reading or self._goals is None:
            return  # the assignment to come goes back, or has just done so
        if kept:
            self._kept |= new
            return
        self.astray_since = self.astray_since or time.monotonic()
        consumer = self.consumer()
        async with asyncio.timeout(POSITION_SECONDS):
            read = {one: await consumer.position(one) for one in consumer.assignment()}
            await self._go_back(consumer, read, reading)
        self._let_read()

    async def _go_back(self, consumer: Any, read: Mapping[TopicPartition, int | None], reading: int) -> None:
        """Let ``consumer`` go back to what Redis knows, where it has ``read`` further (None: never).

        It seeks even where there is nothing to go back to: what is in flight, or committed just now, counts for
        nothing from here on. ``reading``: of the moment from which ``read`` is; it gives way to a later one.
        """
        ends = await self._ends(consumer, read)
        places = [part for one, offset in read.items() for part in (_field(one), offset or 0)]
        answer, *known = await self._known(keys=[self._key], args=places)
        run = answer.decode()
        stands = {one: min(int(text), read[one] or 0) for one, text in zip(read, known, strict=True)}
        goals = {one: end for one, end in ends.items() if stands[one] < end}
        if goals or self._store.run != run:
            # before anything is written: no other replica may judge deadlines, either
            await self._tell_behind()
        if self._store.run not in {"", run} and len(read) < self._partitions:
            # whoever has the others may be dead, and its successor is to read what this Redis has lost
            await self._tell_behind(self._session)
        if self._reading != reading:
            return  # the partitions are others meanwhile
        for one, offset in read.items():
            if offset is None:
                continue
            consumer.seek(one, stands[one])
            if stands[one] < offset:
                log.info("Redis knows less than Kafka; reading again", partition=_field(one), offset=stands[one])
                self._read[one] = max(offset, self._read.get(one, 0))
        self._goals, self._behind_until = goals, time.monotonic() + BEHIND_SECONDS
        self._reading += 1
        self._handled.clear()
        self._kept.clear()
        self._store.run = run
        self.astray_since = None

    async def _tell_behind(self, longer: float = 0) -> None:
        """Nobody judges deadlines for a while; a longer time that was told is not shortened."""
        redis, key, seconds = self._store.redis, self._store.key("behind"), TOLD_SECONDS + ceil(longer)
        if not await redis.set(key, 1, ex=seconds, nx=True):
            await redis.expire(key, seconds, gt=True)

    @staticmethod
    async def _ends(consumer: Any, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """Where the partitions end that have anything to read."""
        if not partitions:
            return {}
        begin, end = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
        return {one: end[one] for one in partitions if begin[one] < end[one]}


def _field(partition: TopicPartition) -> str:
    return f"{partition.topic}/{partition.partition}"
