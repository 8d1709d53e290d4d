"""SIGTERM in the middle of a call of AWS: the end is bounded, and the job is given back only if the call is over."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from contracts.base import Target
from contracts.envelope import Envelope, Meta
from contracts.recovery import CaptureSnapshot

TARGET = Target(account="123456789012", region="us-west-2", cluster="c", service="s")
IDENTITY = (
    b"<GetCallerIdentityResponse><GetCallerIdentityResult><Account>123456789012</Account><Arn>a</Arn>"
    b"<UserId>u</UserId></GetCallerIdentityResult></GetCallerIdentityResponse>"
)


@dataclass
class Aws:
    """Answers at once, but for ECS, whose calls wait until ``answer`` is set."""

    url: str = ""
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    answer: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        status, body = b"200 OK", IDENTITY
        if b" /backups/" in head:
            status, body = b"404 Not Found", b"<Error><Code>NoSuchKey</Code></Error>"
        elif b"amazonec2containerservice" in head:
            self.asked.set()
            await self.answer.wait()
            body = b'{"services": [], "failures": []}'
        length = str(len(body)).encode()
        writer.write(b"HTTP/1.1 " + status + b"\r\nConnection: close\r\nContent-Length: " + length + b"\r\n\r\n" + body)
        await writer.drain()
        writer.close()


@pytest.fixture
async def aws() -> AsyncIterator[Aws]:
    found = Aws()
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield found
    found.answer.set()
    server.close()


@pytest.fixture
async def recovery(kafka: str, valkey_url: str, redis: Any, aws: Aws) -> AsyncIterator[asyncio.subprocess.Process]:
    """A recovery that asks ECS for a service and waits for the answer."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.recovery"),
        env={
            **os.environ,
            "KAFKA_BOOTSTRAP_SERVERS": kafka,
            "REDIS_URL": valkey_url,
            "AWS_ENDPOINT_URL": aws.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "BACKUP_BUCKET": "backups",
            "SUREFOOT_HTTP_PORT": "0",
            "SHUTDOWN_TIMEOUT": "3",
        },
        stderr=asyncio.subprocess.PIPE,
    )
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    async with asyncio.timeout(60):
        await wait_for_line(process, b"started")
        command = CaptureSnapshot(target=TARGET, run_id="run", purpose="before-change")
        message = Envelope(Meta("capture-1", "surefoot/orchestrator", datetime.now(UTC)), command).to_message()
        await producer.start()
        await producer.send_and_wait(message.topic, message.value, key=message.key, headers=list(message.headers))
        await producer.stop()
        await aws.asked.wait()
    yield process
    if process.returncode is None:
        process.kill()
    await process.wait()


async def wait_for_line(process: asyncio.subprocess.Process, event: bytes) -> None:
    """Wait until the process has logged this event."""
    assert process.stderr
    while b'"' + event + b'"' not in (line := await process.stderr.readline()):
        assert line, f"the process ended before it logged {event!r}"


async def state_of_job(redis: Any) -> tuple[bytes, float]:
    """Return the job's state, and in how many seconds another executor may claim it."""
    seconds, micros = await redis.time()
    due = await redis.zscore("{recovery}:jobs", "capture-1")
    return await redis.hget("{recovery}:job:capture-1", "state"), due / 1000 - seconds - micros / 1e6


async def test_a_call_that_ends_in_time_gives_its_job_back(
    recovery: asyncio.subprocess.Process, aws: Aws, redis: Any
) -> None:
    recovery.terminate()
    async with asyncio.timeout(20):
        await wait_for_line(recovery, b"waiting for a call of AWS that was begun")
        aws.answer.set()
        assert await recovery.wait() == 0
    state, claimable_in = await state_of_job(redis)
    assert state == b"running"
    assert claimable_in <= 0


async def test_a_call_that_does_not_end_is_left_to_its_lease(recovery: asyncio.subprocess.Process, redis: Any) -> None:
    begun = time.monotonic()
    recovery.terminate()
    async with asyncio.timeout(20):
        assert await recovery.wait() == 0
    assert time.monotonic() - begun < 15
    state, claimable_in = await state_of_job(redis)
    assert state == b"running"
    assert claimable_in > 0, "the call may still take effect, so nobody else may act yet"
