"""The offsets of handled messages are committed to Kafka, those only, and for many messages at once."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError

from contracts.envelope import Meta
from contracts.recovery import CaptureSnapshot
from services._chassis import commits as chassis
from services._chassis.commits import Commits
from services._chassis.service import Service
from services._chassis.transition import Transition, decided
from tests.chassis.fake_consumer import PARTITION, FakeConsumer, catch_up
from tests.chassis.harness import TARGET, command, send, serving, until

CAPTURE = CaptureSnapshot(target=TARGET, run_id="run", purpose="before-change")


class Committing(FakeConsumer):
    """Keeps the commits that it has confirmed; the first ``failing`` ones fail."""

    def __init__(self, *, failing: int = 0, committed: int | None = None) -> None:
        super().__init__(committed=committed)
        self.confirmed: list[dict[TopicPartition, int]] = []
        self._failing = failing

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        await asyncio.sleep(0)
        if self._failing:
            self._failing -= 1
            raise CommitFailedError
        self.confirmed.append(dict(offsets))


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chassis, "COMMIT_SECONDS", 0.01)


async def test_many_messages_are_one_commit(redis: Any) -> None:
    consumer = Committing()
    ours = catch_up(redis, consumer)
    commits = Commits(ours)
    for offset in range(5):
        ours.handled(*PARTITION, offset, ours.begin())
        await commits.commit()
    await until(lambda: consumer.confirmed == [{PARTITION: 5}])
    ours.handled(*PARTITION, 5, ours.begin())
    await commits.commit()
    await until(lambda: consumer.confirmed == [{PARTITION: 5}, {PARTITION: 6}])


async def test_a_commit_that_failed_goes_with_the_next(redis: Any) -> None:
    consumer = Committing(failing=1)
    ours = catch_up(redis, consumer)
    commits = Commits(ours)
    ours.handled(*PARTITION, 0, ours.begin())
    await commits.commit()
    await asyncio.sleep(0.1)
    await commits.commit()
    await until(lambda: consumer.confirmed == [{PARTITION: 1}])


async def test_what_is_not_ours_any_more_is_not_committed(redis: Any) -> None:
    consumer = Committing()
    ours = catch_up(redis, consumer)
    ours.handled(*PARTITION, 0, ours.begin())
    ours.on_partitions_revoked({PARTITION})
    await Commits(ours).commit()
    await asyncio.sleep(0.1)
    assert consumer.confirmed == []


async def test_what_is_read_again_stays_committed_further_on(redis: Any) -> None:
    """Otherwise the next replica that reads the partition would not see that there is anything to read again."""
    consumer = Committing(committed=0)
    before = catch_up(redis, consumer)
    await before.on_partitions_assigned({PARTITION})
    consumer = Committing(committed=2)
    ours = catch_up(redis, consumer)
    await ours.on_partitions_assigned({PARTITION})
    commits = Commits(ours)
    ours.handled(*PARTITION, 0, ours.begin())
    await commits.flush()
    assert consumer.confirmed == []
    ours.handled(*PARTITION, 1, ours.begin())
    await commits.flush()
    assert consumer.confirmed == [{PARTITION: 2}]


async def test_what_is_being_handled_is_not_committed(kafka: str, redis: Any) -> None:
    going_on, handled = asyncio.Event(), list[str]()

    async def handle(_: CaptureSnapshot, meta: Meta) -> Transition:
        handled.append(meta.id)
        if meta.id == "c3":
            await going_on.wait()
        return decided()

    async with serving(kafka, redis, Service("recovery", handlers={CaptureSnapshot: handle})):
        await send(kafka, *(command(f"c{number}", CAPTURE) for number in range(1, 5)))
        await until(lambda: handled == ["c1", "c2", "c3"])
        await asyncio.sleep(0.2)
        assert await committed(kafka) == 2
        going_on.set()
        await until(lambda: len(handled) == 4)
        async with asyncio.timeout(10):
            while await committed(kafka) != 4:  # noqa: ASYNC110  the broker gives no notice
                await asyncio.sleep(0.05)


async def test_who_leaves_in_order_leaves_nothing_uncommitted(
    kafka: str, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chassis, "COMMIT_SECONDS", 60)
    handled = list[str]()

    async def handle(_: CaptureSnapshot, meta: Meta) -> Transition:
        handled.append(meta.id)
        return decided()

    async with serving(kafka, redis, Service("recovery", handlers={CaptureSnapshot: handle})):
        await send(kafka, *(command(f"c{number}", CAPTURE) for number in range(3)))
        await until(lambda: len(handled) == 3)
        await asyncio.sleep(0.2)
    assert await committed(kafka) == 3


async def committed(kafka: str) -> int:
    """Return the sum of the group's committed offsets in all partitions."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, group_id="recovery", enable_auto_commit=False)
    await consumer.start()
    try:
        places = [TopicPartition("recovery.commands.v1", number) for number in range(12)]
        consumer.assign(places)
        return sum([await consumer.committed(place) or 0 for place in places])
    finally:
        await consumer.stop()
