"""aiokafka's consumer, as far as the watchdog and the catching up use it."""

from typing import Any

from aiokafka import TopicPartition

from services._chassis.catch_up import CatchUp
from services._chassis.clock import Pace, PacedClock
from services._chassis.store import RedisStore

PARTITION = TopicPartition("recovery.commands.v1", 3)
OWN = TopicPartition("recovery.events.v1", 3)
"""A partition of a topic that recovery alone writes."""


class FakeConsumer:
    """Answers as aiokafka's consumer would."""

    def __init__(
        self, *, committed: int | None = None, end: int | None = None, position: int = 0, assigned: bool = True
    ) -> None:
        """``end``: the end offset of each partition; None: the offset up to which it has been read."""
        self._committed = committed
        self._end = max(committed or 0, position) if end is None else end
        self._position = position
        self._assigned = {PARTITION} if assigned else set()
        self.ends: dict[TopicPartition, int] = {}
        """The end offsets of partitions that differ from ``end``."""
        self.sought: dict[TopicPartition, int] = {}
        self.paused: set[TopicPartition] = set()

    def assign(self, *partitions: TopicPartition) -> None:
        self._assigned = set(partitions)

    def assignment(self) -> set[TopicPartition]:
        return self._assigned

    def pause(self, *partitions: TopicPartition) -> None:
        self.paused |= set(partitions)

    def resume(self, *partitions: TopicPartition) -> None:
        self.paused -= set(partitions)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.sought[partition] = offset

    async def committed(self, _: TopicPartition) -> int | None:
        return self._committed

    async def position(self, _: TopicPartition) -> int:
        return self._position

    async def beginning_offsets(self, partitions: set[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 0)

    async def end_offsets(self, partitions: set[TopicPartition]) -> dict[TopicPartition, int]:
        return {partition: self.ends.get(partition, self._end) for partition in partitions}


def catch_up(redis: Any, consumer: FakeConsumer, first: frozenset[str] = frozenset()) -> CatchUp:
    found = CatchUp(RedisStore(redis, "recovery", PacedClock(Pace())), first)
    found.consumer = lambda: consumer
    return found
