"""A clock that is wrong is reported while everything still works. Field point 34, with stand-ins that are shifted."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from contracts.base import Target
from sandbox.virtual.redis import MemoryRedis
from services._chassis.accounts import OWN_SECONDS, AccountWatch
from services._chassis.aws_connection import AwsConnection
from services._chassis.aws_limits import AwsLimits
from services._chassis.clock import Pace, PacedClock
from services._chassis.clock_offset import FOLLOW_SECONDS, RedisClock
from services._chassis.readiness import Readiness

ACCOUNT = "123456789012"
NOW = 1_800_000_000.0


@dataclass
class ShiftedAws:
    """Says who calls, and refuses signatures of another time as AWS does."""

    behind: float = 0.0
    """By how many seconds it is behind this machine."""
    asked: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        body = f"<R><GetCallerIdentityResult><Account>{ACCOUNT}</Account></GetCallerIdentityResult></R>"
        status = "200 OK"
        if abs(self.behind) > 300:
            status, body = "403 Forbidden", "<R><Error><Code>SignatureDoesNotMatch</Code></Error></R>"
        date = format_datetime(datetime.now(UTC) - timedelta(seconds=self.behind), usegmt=True)
        head = f"HTTP/1.1 {status}\r\nConnection: close\r\nDate: {date}\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write((head + body).encode())
        await writer.drain()
        writer.close()


@pytest.fixture
async def aws(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ShiftedAws]:
    found = ShiftedAws()
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    yield found
    server.close()


class NoRoles:
    def access(self, account: str) -> None:
        del account

    def all(self) -> tuple[Target, ...]:
        return ()


async def test_the_clock_of_aws_is_compared_every_minute(aws: ShiftedAws) -> None:
    time = [NOW]
    readiness, connection = Readiness(), AwsConnection("us-west-2", AwsLimits(tries=1))
    watch = AccountWatch(connection, NoRoles(), ACCOUNT, readiness, now=lambda: time[0])
    said = []
    for aws.behind in (0, 20, 45, -100, 260, 600, 0):
        await watch.look()
        said.append(" ".join(readiness.degraded))
        asked = aws.asked
        if aws.behind != 600:  # while AWS refuses, it is asked at each look
            await watch.look()
            assert aws.asked == asked
        time[0] += OWN_SECONDS
    connection.close()
    assert said[:2] == ["", ""]
    assert said[2].startswith("This machine's clock is 4")
    assert said[2].endswith("seconds ahead of AWS's.")
    assert "clock is 100 seconds behind AWS's." in said[3] or "clock is 99 seconds behind AWS's." in said[3]
    assert all(sentence.endswith("so that AWS refuses its signatures: set the clock.") for sentence in said[4:6])
    assert said[6] == ""


@pytest.mark.parametrize(
    ("behind", "said"),
    [
        (0, ""),
        (-30, ""),
        (45, "This machine's clock is 45 seconds ahead of that of Redis."),
        (-100, "This machine's clock is 100 seconds behind that of Redis."),
        (300, "This machine's clock is 300 seconds ahead of that of Redis, so that deadlines and the metrics of AWS"),
    ],
)
async def test_the_clock_of_redis_is_compared_and_product_time_follows_it(behind: float, said: str) -> None:
    readiness, clock, slept = Readiness(), PacedClock(Pace()), []

    class Ended(Exception):
        pass

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            raise Ended

    redis = MemoryRedis(lambda: NOW - behind)
    with pytest.raises(Ended):
        await RedisClock(redis, clock, readiness, lambda: NOW, sleep).run()
    assert " ".join(readiness.degraded)[: len(said) or None] == said
    assert slept == [FOLLOW_SECONDS] * 2
    assert clock.now() == pytest.approx(NOW - behind, abs=5)
    await RedisClock(MemoryRedis(lambda: NOW), clock, readiness, lambda: NOW).look()
    assert readiness.degraded == []


async def test_an_answer_that_comes_late_says_nothing_of_the_present(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services._chassis.clock_offset.PROMPT_SECONDS", -1)
    readiness, clock = Readiness(), PacedClock(Pace())
    before = clock.now()
    await RedisClock(MemoryRedis(lambda: NOW - 600), clock, readiness, lambda: NOW).look()
    assert readiness.degraded == []
    assert clock.now() >= before
