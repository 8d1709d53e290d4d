"""A start that Kafka holds up ends by itself, and on SIGTERM: unhealthy for ever would help nobody."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.assignors.range import RangePartitionAssignor

from services._chassis.kafka_connection import KafkaConnection
from services._chassis.startup import StartupError, unless_stopped
from services._chassis.topics import ensure_topics
from tests.chassis.test_process_end import Aws, aws

__all__ = ["aws"]  # a fixture


async def work() -> str:
    return "done"


async def test_work_is_waited_for() -> None:
    assert await unless_stopped(work(), asyncio.Event(), 5, "work") == "done"


async def test_a_stop_ends_the_waiting() -> None:
    stop, cancelled = asyncio.Event(), asyncio.Event()

    async def endless() -> bool:
        stop.set()
        try:
            return await asyncio.Event().wait()
        finally:
            cancelled.set()

    assert await unless_stopped(endless(), stop, 5, "nothing") is None
    await asyncio.wait_for(cancelled.wait(), 5)


async def test_what_takes_too_long_is_named() -> None:
    with pytest.raises(StartupError, match="too long: still waiting for its partitions"):
        await unless_stopped(asyncio.Event().wait(), asyncio.Event(), 0.01, "its partitions")


@pytest.fixture
async def held_up(kafka: str, valkey_url: str, aws: Aws) -> AsyncIterator[dict[str, str]]:
    """A group with a member that went silent a moment ago: until Kafka misses it, nobody else can join."""
    await ensure_topics(KafkaConnection(kafka), 1)
    silent = AIOKafkaConsumer(
        "health.commands.v1",
        bootstrap_servers=kafka,
        group_id="health",
        session_timeout_ms=90_000,
        partition_assignment_strategy=(RangePartitionAssignor,),
    )
    await silent.start()
    coordinator: Any = silent._coordinator
    coordinator._coordination_task.cancel()
    coordinator._heartbeat_task.cancel()
    yield {
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "REDIS_URL": valkey_url,
        "AWS_ENDPOINT_URL": aws.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "SUREFOOT_HTTP_PORT": "0",
    }
    silent_client: Any = silent._client
    await silent_client.close()


async def run(environment: dict[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.health"), env={**os.environ, **environment}, stderr=asyncio.subprocess.PIPE
    )


@pytest.mark.slow
async def test_a_group_that_cannot_be_joined_ends_the_start(held_up: dict[str, str]) -> None:
    process = await run(held_up | {"STARTUP_TIMEOUT": "3", "SHUTDOWN_TIMEOUT": "1"})
    _, error = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 1
    assert "consumer groups" in error.decode().splitlines()[-1]
