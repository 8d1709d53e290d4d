"""Requests, collection and rollbacks wait for no thread and no connection of one another."""

import asyncio
import random
from typing import Any

import pytest
from redis.asyncio import Redis

from services._chassis import redis_pool
from services._chassis.lanes import BY_HAND, REDIS_CONNECTIONS, REQUESTS, WORK, lane
from services._chassis.redis_pool import LanePool, NoConnection


def pool_of(url: str, **given: Any) -> LanePool:
    return LanePool.from_url(url, socket_connect_timeout=3, socket_timeout=None, **given)


async def test_each_lane_has_connections_of_its_own(valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_pool, "WAIT_SECONDS", 0.01)
    pool = pool_of(valkey_url, max_connections=1)
    lane.set(REQUESTS)
    taken = [await pool.get_connection() for _ in range(REDIS_CONNECTIONS[REQUESTS])]
    with pytest.raises(NoConnection, match="'requests'"):
        await pool.get_connection()
    for name in (WORK, BY_HAND):
        lane.set(name)
        await pool.release(await pool.get_connection())
    await pool.release(taken.pop())
    lane.set(REQUESTS)
    taken.append(await pool.get_connection())
    for connection in taken:
        await pool.release(connection)
    await pool.aclose()


async def cancelled(valkey_url: str, times: int) -> None:
    """Cancel so many commands at random moments; the pool must be whole afterwards, and each answer its own."""
    pool = pool_of(valkey_url)
    redis: Any = Redis.from_pool(pool)
    chance, most = random.Random(49), REDIS_CONNECTIONS[BY_HAND]
    lane.set(BY_HAND)  # of which there are few: half of the commands wait for a connection
    mixed: list[str] = []

    async def command(number: int) -> None:
        key = f"cancelled-{number % 50}"
        await redis.set(key, key)
        if await redis.get(key) not in {key.encode(), None}:
            mixed.append(key)

    for _ in range(times // (2 * most)):
        tasks = [asyncio.create_task(command(number)) for number in range(2 * most)]
        for _ in range(chance.randrange(40)):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
            if chance.random() < 0.1:
                await asyncio.sleep(0)
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(end is None or isinstance(end, asyncio.CancelledError) for end in ends)
    assert not mixed
    assert not pool._in_use_connections
    assert not pool._taken_of
    assert len(pool._available_connections) <= most
    assert [free._value for free in pool._free.values()] == list(REDIS_CONNECTIONS.values())
    assert await asyncio.gather(*(redis.echo(str(number)) for number in range(most * 4))) == [
        str(number).encode() for number in range(most * 4)
    ]
    await redis.aclose()


async def test_cancelled_commands_leave_the_pool_whole(valkey_url: str) -> None:
    """Field point 49."""
    await cancelled(valkey_url, 500)


@pytest.mark.slow
async def test_ten_thousand_cancelled_commands_leave_the_pool_whole(valkey_url: str) -> None:
    await cancelled(valkey_url, 10_000)
