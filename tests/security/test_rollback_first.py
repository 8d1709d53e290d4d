"""What HTTP requests, collection and other services wait for at AWS holds up no rollback."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from services._chassis.aws import Aws
from services._chassis.aws_connection import AwsConnection
from services._chassis.lanes import BY_HAND, MOST_THREADS, REQUESTS, THREADS, WORK, lane

CONNECTION = AwsConnection("us-west-2")


class SlowS3:
    """AWS, of which S3 does not answer until it is over."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.asked = 0

    def list_objects_v2(self, **_: Any) -> dict[str, Any]:
        self.asked += 1
        self.over.wait(30)
        return {}

    def update_service(self, **_: Any) -> dict[str, Any]:
        return {"service": {}}


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowS3]:
    aws = SlowS3()
    monkeypatch.setattr(CONNECTION, "client_of", lambda *_: aws)
    yield aws
    aws.over.set()


@contextmanager
def in_lane(name: str) -> Iterator[None]:
    before = lane.set(name)
    yield
    lane.reset(before)


async def waiting(aws: Aws, slow: SlowS3, threads: int) -> list[asyncio.Task[dict[str, Any]]]:
    """Ask S3 twice as often as there are threads; return when all of them wait."""
    asked = slow.asked
    tasks = [asyncio.create_task(aws.call("s3", "list_objects_v2")) for _ in range(2 * threads)]
    async with asyncio.timeout(10):
        while slow.asked < asked + threads:  # noqa: ASYNC110  threads do not notify
            await asyncio.sleep(0.005)
    return tasks


async def is_changed(aws: Aws) -> bool:
    async with asyncio.timeout(10):
        return await aws.call("ecs", "update_service") == {"service": {}}


async def test_a_rollback_waits_for_no_list_of_snapshots(slow: SlowS3) -> None:
    aws = Aws(CONNECTION, "recovery")
    with in_lane(REQUESTS):
        tasks = await waiting(aws, slow, THREADS[REQUESTS])
    for name in (WORK, BY_HAND):
        with in_lane(name):
            assert await is_changed(aws), "neither collection nor a person's rollback waits"
    assert await is_changed(aws.apart())
    with in_lane(WORK):
        tasks += await waiting(aws, slow, THREADS[WORK])
    assert await is_changed(aws.apart()), "nor does a rollback wait for collection"
    with in_lane(BY_HAND):
        assert await is_changed(aws)
    assert not any(task.done() for task in tasks)
    slow.over.set()
    await asyncio.gather(*tasks)


async def test_a_rollback_does_not_wait_for_what_another_service_of_its_process_does_apart(slow: SlowS3) -> None:
    tasks = await waiting(Aws(CONNECTION, "monitor").apart(), slow, MOST_THREADS)
    assert await is_changed(Aws(CONNECTION, "recovery").apart())
    slow.over.set()
    await asyncio.gather(*tasks)
