"""Where Redis stands, reading goes on: at the start, and whenever it is not the Redis any more that it was."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisIsAway

from sandbox.child import claim_port
from sandbox.valkey import Valkey
from services._chassis import positions as chassis
from tests.chassis.fake_consumer import PARTITION, FakeConsumer, positions

KEY, FIELD = "{recovery}:positions", "recovery.commands.v1/3"


async def handled(redis: Any, *offsets: int) -> None:
    before = positions(redis, FakeConsumer())
    await before.keep()
    for offset in offsets:
        before.handled(*PARTITION, offset, before.take())
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


@pytest.mark.parametrize(("committed", "known"), [(7, b"7"), (None, b"0")])
async def test_a_partition_has_a_position_from_its_first_assignment_on(
    redis: Any, committed: int | None, known: bytes
) -> None:
    await positions(redis, FakeConsumer(committed=committed)).on_partitions_assigned({PARTITION})
    assert await redis.hget(KEY, FIELD) == known


async def test_nothing_is_read_while_redis_is_away(redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chassis, "AGAIN_SECONDS", 0.01)
    await handled(redis, 4)
    consumer = FakeConsumer(committed=9)
    ours = positions(redis, consumer)
    known, tries = ours._known, iter(range(10))

    async def away(**call: Any) -> Any:
        assert consumer.paused == {PARTITION}
        if next(tries) < 2:
            raise RedisIsAway("no route")
        return await known(**call)

    ours._known = away
    await ours.on_partitions_assigned({PARTITION})
    assert consumer.sought == {PARTITION: 5}


async def test_a_revoked_partition_is_not_written_any_more(redis: Any) -> None:
    ours = positions(redis, FakeConsumer())
    await ours.keep()
    ours.handled(*PARTITION, 4, ours.take())
    ours.on_partitions_revoked({PARTITION})
    await ours.keep()
    assert await redis.hget(KEY, FIELD) == b"0"


class Restorable:
    """A Redis of one's own that can be killed, and come back with a position as an older copy has it."""

    def __init__(self, directory: Path) -> None:
        self._server = Valkey(directory, claim_port(0))
        self.client: Any = Redis.from_url(self._server.start())

    async def comes_back(self, *, with_position: int | None = None) -> None:
        self._server.kill()
        self._server.start()
        await self.client.connection_pool.disconnect()
        if with_position is not None:
            await self.client.hset(KEY, FIELD, with_position)

    async def end(self) -> None:
        await self.client.aclose()
        self._server.kill()


@pytest.fixture
async def restorable(tmp_path: Path) -> AsyncIterator[Restorable]:
    server = Restorable(tmp_path)
    yield server
    await server.end()


async def test_what_an_older_copy_does_not_know_is_read_again(restorable: Restorable) -> None:
    """However young the copy is: what was handled since the last writing is not told to a Redis that never saw it."""
    consumer = FakeConsumer(committed=4, position=7)
    ours = positions(restorable.client, consumer)
    await ours.on_partitions_assigned({PARTITION})
    ours.handled(*PARTITION, 4, ours.take())
    ours.handled(*PARTITION, 5, ours.take())
    await ours.keep()
    ours.handled(*PARTITION, 6, ours.take())
    in_flight = ours.take()
    await restorable.comes_back(with_position=5)
    await ours.keep()
    assert consumer.sought == {PARTITION: 5}
    assert ours.goes_back(in_flight)
    ours.handled(*PARTITION, 7, in_flight)
    await ours.keep()
    assert await restorable.client.hget(KEY, FIELD) == b"5"
    ours.handled(*PARTITION, 5, ours.take())
    await ours.keep()
    assert await restorable.client.hget(KEY, FIELD) == b"6"
    assert ours.behind()
    ours.handled(*PARTITION, 6, ours.take())
    assert not ours.behind()


async def test_until_the_first_assignment_nobody_knows_what_is_behind(
    redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = positions(redis, FakeConsumer(assigned=False))
    await ours.keep()
    assert ours.behind()
    await ours.on_partitions_assigned({PARTITION})
    assert not ours.behind()
    monkeypatch.setattr(chassis, "BEHIND_SECONDS", 0)
    assert not positions(redis, FakeConsumer()).behind()


async def test_what_is_taken_away_is_waited_for_no_longer(redis: Any) -> None:
    await handled(redis, 3)
    ours = positions(redis, FakeConsumer(committed=9))
    await ours.on_partitions_assigned({PARTITION})
    assert ours.behind()
    ours.on_partitions_revoked({PARTITION})
    assert ours.behind(), "nobody knows what comes next"
    await ours.on_partitions_assigned(set())
    assert not ours.behind()


async def test_what_a_restart_has_not_lost_is_not_read_again(restorable: Restorable) -> None:
    consumer = FakeConsumer(committed=4, position=5)
    ours = positions(restorable.client, consumer)
    await ours.on_partitions_assigned({PARTITION})
    ours.handled(*PARTITION, 4, ours.take())
    await ours.keep()
    await restorable.comes_back()
    await ours.keep()
    assert consumer.sought == {}
