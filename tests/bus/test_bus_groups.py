"""Groups as an application sees them. The same on the dev broker and on Apache Kafka."""

import asyncio
import uuid
from collections.abc import Iterable
from typing import Any

import pytest
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError

from tests.bus.harness import Bus


async def test_a_group_of_three_shares_all_partitions_and_takes_over_from_the_one_that_is_killed(
    bus: Bus,
) -> None:
    topic, group = await bus.topic(), _group()
    async with bus.member_process(topic, group) as doomed:
        first, second = await asyncio.gather(bus.consumer(topic, group_id=group), bus.consumer(topic, group_id=group))
        producer = await bus.producer()
        await _until_shared(bus, [4, 4], first, second)
        doomed.kill()
        await _until_shared(bus, [6, 6], first, second)
        for partition in range(12):
            await producer.send_and_wait(topic, b"after", partition=partition)
        read = [*await bus.read(first, 6), *await bus.read(second, 6)]
    assert sorted(record.partition for record in read) == list(range(12))


async def test_what_was_read_but_not_committed_before_a_crash_is_read_again(bus: Bus) -> None:
    topic, group = await bus.topic(1), _group()
    producer = await bus.producer()
    for number in range(5):
        await producer.send_and_wait(topic, b"%d" % number)
    committed = await bus.consumer(topic, group_id=group)
    await bus.read(committed, 5)
    await committed.commit({TopicPartition(topic, 0): 2})
    await committed.stop()
    async with bus.member_process(topic, group) as crashing:
        assert crashing.stdout
        lines = [(await asyncio.wait_for(crashing.stdout.readline(), 20)).decode() for _ in range(4)]
        assert lines == ["joined\n", "read 0 2\n", "read 0 3\n", "read 0 4\n"]
        crashing.kill()
    successor = await bus.consumer(topic, group_id=group)
    assert [record.offset for record in await bus.read(successor, 3)] == [2, 3, 4]


async def test_a_static_member_comes_back_without_a_rebalance(bus: Bus) -> None:
    topic, group = await bus.topic(), _group()
    rebalances = _Rebalances()
    # Long enough that the restart below is within the session.
    stays = bus.unstarted(group_id=group, group_instance_id="stays", session_timeout_ms=10_000)
    stays.subscribe([topic], listener=rebalances)
    bus.clients.push_async_callback(stays.stop)
    await stays.start()
    leaves = bus.unstarted(topic, group_id=group, group_instance_id="restarts", session_timeout_ms=10_000)
    await leaves.start()
    await _until_shared(bus, [6, 6], stays, leaves)
    before, seen, generation = leaves.assignment(), rebalances.count, _generation(stays)
    await leaves.stop()
    back = await bus.consumer(topic, group_id=group, group_instance_id="restarts", session_timeout_ms=10_000)
    assert back.assignment() == before
    assert (rebalances.count, _generation(stays)) == (seen, generation)
    assert _generation(back) == generation
    producer = await bus.producer()
    for place in before:
        await producer.send_and_wait(topic, b"x", partition=place.partition)
    read = await bus.read(back, 6)
    assert {record.partition for record in read} == {place.partition for place in before}
    await back.commit()


async def test_a_member_that_leaves_is_replaced_at_once(bus: Bus) -> None:
    topic, group = await bus.topic(), _group()
    stays = await bus.consumer(topic, group_id=group, session_timeout_ms=30_000)
    leaves = bus.unstarted(topic, group_id=group, session_timeout_ms=30_000)
    await leaves.start()
    await _until_shared(bus, [6, 6], stays, leaves)
    await leaves.stop()
    await _until_shared(bus, [12], stays)


async def test_lag_is_the_end_less_what_is_committed(bus: Bus) -> None:
    topic, group = await bus.topic(2), _group()
    producer = await bus.producer()
    for number in range(9):
        await producer.send_and_wait(topic, b"x", partition=number % 2)
    consumer = await bus.consumer(topic, group_id=group)
    await bus.read(consumer, 9)
    await consumer.commit({TopicPartition(topic, 0): 3})
    assert await bus.lag(topic, group) == {0: 2, 1: 4}
    assert await consumer.committed(TopicPartition(topic, 1)) is None
    await consumer.commit()
    assert await bus.lags(topic, group, {0})


async def test_groups_are_listed_and_described(bus: Bus) -> None:
    topic, group = await bus.topic(), _group()
    admin = await bus.admin()
    consumer = bus.unstarted(topic, group_id=group, client_id="surefoot")
    await consumer.start()
    assert (group, "consumer") in await admin.list_consumer_groups()
    assert await _described(admin, group) == ("Stable", ["surefoot"])
    await consumer.stop()
    assert await _described(admin, group) == ("Empty", [])


@pytest.mark.parametrize("crash", [False, True])
async def test_committed_offsets_and_records_outlive_a_restart_of_the_broker(bus: Bus, crash: bool) -> None:
    topic, group = await bus.topic(), _group()
    producer = await bus.producer()
    for number in range(24):
        await producer.send_and_wait(topic, b"%d" % number, partition=number % 12)
    consumer = await bus.consumer(topic, group_id=group)
    await bus.read(consumer, 24)
    await consumer.commit(dict.fromkeys(bus.partitions(topic), 1))
    await consumer.stop()
    await bus.restart(crash=crash)
    await bus.eventually(lambda: bus.lags(topic, group, {1}))
    for number in range(24, 36):
        await producer.send_and_wait(topic, b"%d" % number, partition=number % 12)
    again = await bus.consumer(topic, group_id=group)
    values = sorted(int(record.value) for record in await bus.read(again, 24))
    assert values == list(range(12, 36))


@pytest.mark.parametrize("crash", [False, True])
async def test_a_group_goes_on_when_the_broker_comes_back(bus: Bus, crash: bool) -> None:
    topic, group = await bus.topic(1), _group()
    consumer = await bus.consumer(topic, group_id=group)
    await bus.restart(crash=crash)
    producer = await bus.producer()
    await producer.send_and_wait(topic, b"after")
    (record,) = await bus.read(consumer, 1)
    assert record.value == b"after"
    await bus.eventually(lambda: _commits(consumer))


class _Rebalances(ConsumerRebalanceListener):
    def __init__(self) -> None:
        self.count = 0

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self.count += 1

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        pass


async def _until_shared(bus: Bus, sizes: list[int], *consumers: Any) -> None:
    async def shared() -> bool:
        return sorted(len(consumer.assignment()) for consumer in consumers) == sizes

    await bus.eventually(shared)


async def _described(admin: Any, group: str) -> tuple[str, list[str]]:
    (answer,) = await admin.describe_consumer_groups([group])
    (about,) = answer.to_object()["groups"]
    return about["state"], [member["client_id"] for member in about["members"]]


async def _commits(consumer: Any) -> bool:
    try:
        await consumer.commit()
    except CommitFailedError:  # its session ended before it was back; it joins again by itself
        return False
    return True


def _generation(consumer: Any) -> int:
    return int(consumer._coordinator.generation)


def _group() -> str:
    return f"group-{uuid.uuid4().hex}"
