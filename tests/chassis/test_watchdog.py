"""A consumer that stands still and a Redis that has forgotten are seen; where Redis stands, reading goes on."""

import asyncio
import time
from typing import Any

import pytest
from aiokafka import TopicPartition
from redis.exceptions import ConnectionError as RedisIsAway

from services._chassis import watchdog
from services._chassis.watchdog import Forgotten, Positions, Stalled, Watchdog

PARTITION = TopicPartition("recovery.commands.v1", 3)


class FakeConsumer:
    """What aiokafka's consumer would say."""

    def __init__(self, *, committed: int | None = None, end: int = 0, position: int = 0, assigned: bool = True) -> None:
        self._committed = committed
        self._end = end
        self._position = position
        self._assigned = {PARTITION} if assigned else set()
        self.sought: dict[TopicPartition, int] = {}
        self.paused: set[TopicPartition] = set()

    def assignment(self) -> set[TopicPartition]:
        return self._assigned

    def pause(self, *partitions: TopicPartition) -> None:
        self.paused |= set(partitions)

    def resume(self, *partitions: TopicPartition) -> None:
        self.paused -= set(partitions)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        assert partition in self.paused, "nothing may be read before it is known from where"
        self.sought[partition] = offset

    async def committed(self, _: TopicPartition) -> int | None:
        return self._committed

    async def position(self, _: TopicPartition) -> int:
        return self._position

    async def end_offsets(self, partitions: set[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, self._end)


def positions(redis: Any, consumer: FakeConsumer, instance: str = "one") -> Positions:
    found = Positions(redis, "{recovery}:positions", instance)
    found.consumer = lambda: consumer
    return found


async def handled(redis: Any, *offsets: int) -> None:
    before = positions(redis, FakeConsumer(), "before")
    for offset in offsets:
        before.handled(*PARTITION, offset)
    await before.keep()


@pytest.mark.parametrize(("committed", "sought"), [(10, 8), (8, None), (3, None), (None, None)])
async def test_reading_goes_on_where_redis_stands_if_that_is_earlier(
    redis: Any, committed: int | None, sought: int | None
) -> None:
    await handled(redis, 5, 6, 7)
    consumer = FakeConsumer(committed=committed)
    await positions(redis, consumer).on_partitions_assigned({PARTITION})
    assert consumer.sought.get(PARTITION) == sought
    assert not consumer.paused


async def test_nothing_is_read_while_redis_is_away(redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "KEEP_SECONDS", 0.01)
    await handled(redis, 4)
    consumer = FakeConsumer(committed=9)

    class Away:
        tries = 0

        async def hmget(self, *arguments: Any) -> Any:
            self.tries += 1
            if self.tries < 3:
                assert consumer.paused == {PARTITION}
                raise RedisIsAway("no route")
            return await redis.hmget(*arguments)

    await positions(Away(), consumer).on_partitions_assigned({PARTITION})
    assert consumer.sought == {PARTITION: 5}


async def test_a_redis_that_has_forgotten_ends_the_process(redis: Any) -> None:
    ours = positions(redis, FakeConsumer())
    await ours.keep()
    copy = await redis.hgetall("{recovery}:positions")
    await ours.keep()
    await ours.keep()
    await redis.delete("{recovery}:positions")
    await redis.hset("{recovery}:positions", mapping=copy)
    with pytest.raises(Forgotten, match="older copy"):
        await ours.keep()


async def test_two_replicas_do_not_take_each_other_for_an_older_copy(redis: Any) -> None:
    one, other = positions(redis, FakeConsumer(), "one"), positions(redis, FakeConsumer(), "other")
    for each in (one, one, other, one, other):
        await each.keep()


async def test_a_revoked_partition_is_not_written_any_more(redis: Any) -> None:
    ours = positions(redis, FakeConsumer())
    ours.handled(*PARTITION, 4)
    ours.on_partitions_revoked({PARTITION})
    await ours.keep()
    assert await redis.hget("{recovery}:positions", "recovery.commands.v1/3") is None


@pytest.mark.parametrize(
    ("consumer", "what"),
    [(FakeConsumer(assigned=False), "has no partitions"), (FakeConsumer(end=5, position=2), "takes none")],
)
async def test_a_consumer_that_stands_still_ends_the_process(
    redis: Any, monkeypatch: pytest.MonkeyPatch, consumer: FakeConsumer, what: str
) -> None:
    monkeypatch.setattr(watchdog, "KEEP_SECONDS", 0.01)
    with pytest.raises(Stalled, match=what):
        await asyncio.wait_for(Watchdog("recovery", positions(redis, consumer), 0.2).run(), 20)


async def test_a_consumer_without_lag_or_with_progress_goes_on(redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "KEEP_SECONDS", 0.01)
    idle = Watchdog("recovery", positions(redis, FakeConsumer(end=5, position=5)), 0.1)
    busy_positions = positions(redis, FakeConsumer(end=5, position=2), "busy")
    busy = Watchdog("recovery", busy_positions, 0.1)
    tasks = [asyncio.create_task(one.run()) for one in (idle, busy)]
    deadline = time.monotonic() + 0.5
    while time.monotonic() < deadline:
        busy_positions.taken += 1
        await asyncio.sleep(0.01)
    assert not any(task.done() for task in tasks)
    for task in tasks:
        task.cancel()
