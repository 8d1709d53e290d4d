"""The watchdog notices a consumer that stands still."""

import asyncio
import time
from typing import Any

import pytest

from services._chassis import watchdog
from services._chassis.watchdog import Stalled, Watchdog
from tests.chassis.fake_consumer import FakeConsumer, catch_up


@pytest.mark.parametrize(
    ("consumer", "what"),
    [
        (FakeConsumer(assigned=False), "has no partitions"),
        (FakeConsumer(end=5, position=2), r"takes none .*recovery.commands.v1, partition 3: it stands at 2 of 5"),
    ],
)
async def test_a_consumer_that_stands_still_ends_the_process(
    redis: Any, monkeypatch: pytest.MonkeyPatch, consumer: FakeConsumer, what: str
) -> None:
    monkeypatch.setattr(watchdog, "KEEP_SECONDS", 0.01)
    with pytest.raises(Stalled, match=what):
        await asyncio.wait_for(Watchdog("recovery", catch_up(redis, consumer), 0.2).run(), 20)


async def test_a_process_that_does_not_find_its_way_back_ends(redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "KEEP_SECONDS", 0.01)
    ours = catch_up(redis, FakeConsumer())
    ours.lost_since = time.monotonic() - 10
    with pytest.raises(Stalled, match="Redis is another one"):
        await asyncio.wait_for(Watchdog("recovery", ours, 5).run(), 20)


async def test_after_an_outage_of_redis_a_consumer_has_its_time_again(
    redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "KEEP_SECONDS", 0.01)
    dog = Watchdog("recovery", catch_up(redis, FakeConsumer(end=5, position=2)), 5)
    dog._moved = dog._looked = time.monotonic() - 100
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(dog.run(), 0.3)


async def test_a_consumer_without_lag_or_with_progress_goes_on(redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "KEEP_SECONDS", 0.01)
    idle = Watchdog("recovery", catch_up(redis, FakeConsumer(end=5, position=5)), 0.1)
    busy_progress = catch_up(redis, FakeConsumer(end=5, position=2))
    busy = Watchdog("recovery", busy_progress, 0.1)
    tasks = [asyncio.create_task(dog.run()) for dog in (idle, busy)]
    deadline = time.monotonic() + 0.5
    while time.monotonic() < deadline:
        busy_progress.taken += 1
        await asyncio.sleep(0.01)
    assert not any(task.done() for task in tasks)
    for task in tasks:
        task.cancel()
