"""Kafka in memory: topics of one partition, read from their beginning, in order, once."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

from aiokafka.structs import ConsumerRecord

from contracts.envelope import Message
from services._chassis.consumer import Reading
from services._chassis.records import Record


def record_of(message: Message, offset: int) -> Record:
    """Return a message as a consumer gets it, at ``offset`` of its topic's one partition."""
    return ConsumerRecord(
        topic=message.topic, partition=0, offset=offset, timestamp=0, timestamp_type=0,
        key=message.key, value=message.value, checksum=None,
        serialized_key_size=len(message.key), serialized_value_size=len(message.value), headers=message.headers,
    )  # fmt: skip


class MemoryBus:
    """The topics of one rehearsal."""

    def __init__(self) -> None:
        self.topics: dict[str, list[Record]] = defaultdict(list)
        self._published = asyncio.Condition()

    async def publish(self, message: Message) -> None:
        partition = self.topics[message.topic]
        partition.append(record_of(message, len(partition)))
        async with self._published:
            self._published.notify_all()

    async def read(self, topics: Iterable[str], take: Callable[[Record], Awaitable[None]]) -> None:
        """Hand each record of ``topics`` to ``take``, one after another, for ever."""
        read = dict.fromkeys(topics, 0)
        while True:
            for topic in read:
                while read[topic] < len(self.topics[topic]):
                    await take(self.topics[topic][read[topic]])
                    read[topic] += 1
            async with self._published:
                await self._published.wait_for(lambda: any(n < len(self.topics[topic]) for topic, n in read.items()))


class MemoryTransport:
    """The transport of one service on a bus that neither loses nor repeats messages."""

    def __init__(self, bus: MemoryBus, name: str) -> None:
        self._bus = bus
        self.name = name
        self.progress = self

    async def publish(self, message: Message) -> None:
        await self._bus.publish(message)

    def read(
        self, _group: str, topics: Iterable[str], consume: Callable[[Record], Awaitable[None]]
    ) -> Callable[[], Coroutine[Any, Any, None]]:
        return lambda: self._bus.read(topics, consume)

    def catching_up(self) -> bool:
        return False

    def begin(self) -> Reading:
        return Reading(0, "")

    def handled(self, topic: str, partition: int, offset: int, reading: Reading) -> None:
        """Do nothing: no message is read again."""

    def is_stale(self, _: Reading) -> bool:
        return False

    def is_read_again(self, topic: str, partition: int, offset: int) -> bool:  # noqa: ARG002  no message is
        return False

    def put_off(self, topic: str, partition: int, offset: int, seconds: float) -> None:
        """Raise an error: here all services have the same version, so that no message waits for a newer one."""
        raise AssertionError(f"{topic} {partition}/{offset} cannot wait {seconds} s for a newer version")
