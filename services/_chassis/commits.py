"""Commits to Kafka the offsets up to which a service has handled each partition, for many messages at once.

A commit costs more than everything else about a message together. What is handled and not committed when a process
ends is read again, and dropped by the inbox.
"""

import asyncio
from contextlib import suppress

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import ConsumerStoppedError, KafkaError

from services._chassis.catch_up import CatchUp

COMMIT_SECONDS = 0.05
"""Real seconds for which handled offsets are gathered before a commit."""
LAST_SECONDS = 2.0
"""Real seconds that the last commit may take; it only spares the next replica some reading."""

log = structlog.get_logger()


class Commits:
    """Stands in for a message's consumer: FastStream calls ``commit`` after a handled message, else ``seek``."""

    def __init__(self, catch_up: CatchUp) -> None:
        self._catch_up = catch_up
        self._committed: dict[TopicPartition, int] = {}
        self._flushing: asyncio.Task[None] | None = None

    async def commit(self) -> None:
        """Have the handled offsets committed soon, without waiting for it."""
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush())

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self._catch_up.consumer().seek(partition, offset)

    async def flush(self) -> None:
        """Commit the handled offsets before the consumer leaves, unless Kafka takes longer than ``LAST_SECONDS``."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_SECONDS):
                await self._commit(self._new())

    async def _flush(self) -> None:
        """Commit until there is nothing new. Only handled messages count: the next may have been taken up already."""
        done = False
        while not done:
            await asyncio.sleep(COMMIT_SECONDS)
            new = self._new()
            done = not (new and await self._commit(new))

    async def _commit(self, new: dict[TopicPartition, int]) -> bool:
        """Commit these offsets; return whether Kafka has confirmed. Without that, messages may come again."""
        try:
            if new:
                await self._catch_up.consumer().commit(new)
        except (KafkaError, ConsumerStoppedError) as error:
            log.info("not committed", why=type(error).__name__)
            return False
        self._committed |= new
        return True

    def _new(self) -> dict[TopicPartition, int]:
        consumer = self._catch_up.consumer()
        assigned = consumer.assignment() if consumer else ()
        return {
            partition: offset
            for partition, offset in self._catch_up.offsets.to_commit().items()
            if partition in assigned and self._committed.get(partition) != offset
        }
