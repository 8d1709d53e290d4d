"""The relay on a real Valkey: in order, and at least once."""

import asyncio
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, MessageSizeTooLargeError

from contracts.base import Target
from contracts.envelope import Message
from contracts.recovery import SnapshotCaptured
from services._chassis.clock import Pace, PacedClock
from services._chassis.readiness import Readiness
from services._chassis.relay import MOST_REFUSED, Relay
from services._chassis.store import RedisStore
from services._chassis.transition import Emit, decided

TARGET = Target(account="123456789012", region="us-west-2", cluster="c", service="s")


class Bus:
    """Takes messages; fails at the ``fail_at``-th call, before or after taking it."""

    def __init__(self, done: int, *, fail_at: int = 0, after: bool = False) -> None:
        self.taken: list[str] = []
        self._calls = 0
        self._done = done
        self._fail_at = fail_at
        self._after = after

    async def publish(self, message: Message) -> None:
        self._calls += 1
        failing = self._calls == self._fail_at
        if not failing or self._after:
            self.taken.append(dict(message.headers)["ce_id"].decode())
        if failing:
            raise KafkaConnectionError
        if self._calls == self._done:
            raise StopRelayError


class StopRelayError(Exception):
    pass


async def emitted(redis: Any, count: int) -> RedisStore:
    store = RedisStore(redis, "recovery", PacedClock(Pace()))
    for number in range(count):
        event = SnapshotCaptured(target=TARGET, run_id="r", snapshot_id=str(number), task_definition="t:1")
        await store.apply(decided(Emit(event, f"e{number}")), cause=f"c{number}")
    return store


async def relay(store: RedisStore, consumer: str, bus: Bus, error: type[Exception], *, idle: float = 0) -> None:
    with pytest.raises(error):
        async with asyncio.timeout(10):
            await Relay(store.redis, store.key("outbox"), consumer, bus.publish, idle).run()


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("successor", ["same", "another"])
async def test_what_kafka_has_not_confirmed_is_published_again(redis: Any, after: bool, successor: str) -> None:
    store = await emitted(redis, 5)
    first = Bus(99, fail_at=3, after=after)
    await relay(store, "same", first, KafkaConnectionError)
    second = Bus(3)
    await relay(store, successor, second, StopRelayError)
    assert first.taken == (["e0", "e1", "e2"] if after else ["e0", "e1"])
    assert second.taken == ["e2", "e3", "e4"]


async def test_what_another_replica_has_claimed_is_left_to_it_while_it_may_live(redis: Any) -> None:
    store = await emitted(redis, 2)
    await relay(store, "one", Bus(99, fail_at=1), KafkaConnectionError)
    await store.apply(
        decided(Emit(SnapshotCaptured(target=TARGET, run_id="r", snapshot_id="x", task_definition="t"), "new"))
    )
    other = Bus(1)
    await relay(store, "other", other, StopRelayError, idle=60)
    assert other.taken == ["new"]


async def test_what_kafka_has_confirmed_is_forgotten(redis: Any) -> None:
    store = await emitted(redis, 5)
    await relay(store, "one", Bus(99, fail_at=4), KafkaConnectionError)
    assert await redis.xlen(store.key("outbox")) == 2
    assert (await redis.xpending(store.key("outbox"), "relay"))["pending"] == 2


async def test_what_kafka_does_not_take_is_kept_and_reported_and_lets_the_others_pass(redis: Any) -> None:
    store, readiness = await emitted(redis, MOST_REFUSED + 5), Readiness()
    taken: list[str] = []

    async def publish(message: Message) -> None:
        id_ = dict(message.headers)["ce_id"].decode()
        if id_ == f"e{MOST_REFUSED + 4}":
            taken.append(id_)
            raise StopRelayError
        raise MessageSizeTooLargeError

    with pytest.raises(StopRelayError):
        async with asyncio.timeout(20):
            await Relay(store.redis, store.key("outbox"), "one", publish, readiness=readiness).run()
    kept = await redis.xrange(f"{store.key('outbox')}-refused")
    assert len(kept) == MOST_REFUSED
    assert await redis.ttl(f"{store.key('outbox')}-refused") > 0
    assert taken
    (sentence,) = readiness.degraded
    assert "recovery.events.v1 was not published" in sentence
