"""Reads of ECS draw from one budget for each account and region, over all services and replicas. Field point 33."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from botocore import xform_name
from redis.exceptions import ConnectionError as RedisAway

from contracts.base import Target
from sandbox.aws.faults.throttling import Bucket, Limit, buckets
from sandbox.virtual.loop import VirtualLoop
from sandbox.virtual.redis import MemoryRedis
from services._aws.errors import AwsError, reading
from services._chassis.aws import Aws
from services._chassis.aws_connection import AwsConnection
from services._chassis.lanes import REQUESTS, WORK, lane
from services._chassis.read_budget import (
    BUCKETS,
    BURST_SECONDS,
    CEILINGS,
    LONGEST_WAIT,
    LONGEST_WAIT_OF_REQUESTS,
    REDIS_AGAIN_SECONDS,
    REDIS_SECONDS,
    RESERVED_SECONDS,
    BudgetSpent,
    ReadBudget,
)
from services._chassis.readiness import Readiness

RATE = 15.0
BURST = RATE * BURST_SECONDS
START = 1_800_000_000.0
TARGETS = [
    Target(account="123456789012", region="us-west-2", cluster="c", service=f"s{number}") for number in range(200)
]
ELSEWHERE = Target(account="210987654321", region="us-west-2", cluster="c", service="s")


@dataclass
class Installation:
    """Replicas on one Redis, under a virtual clock. AWS answers at once."""

    loop: VirtualLoop
    redis: Any
    sent: list[tuple[float, str, str]] = field(default_factory=list)
    """When which operation was sent to which service."""
    readiness: Readiness = field(default_factory=Readiness)

    def replica(self) -> Aws:
        connection = AwsConnection("us-west-2")
        budget = ReadBudget(self.redis, RATE, self.readiness, now=self.loop.time)
        connection.reads = budget
        return Aws(connection, "health")

    async def answer(self, work: partial[Any]) -> dict[str, Any]:
        _, operation, parameters = work.args
        self.sent.append((self.loop.time(), operation, parameters["service"]))
        return {}

    async def delay(self, aws: Aws, operation: str, target: Target) -> float:
        """Call AWS; return after how many seconds the call was sent."""
        begun = self.loop.time()
        await aws.at(target).call("ecs", operation, service=target.service)
        return self.loop.time() - begun

    def most_in(self, seconds: float) -> int:
        """Return the most reads of any time of so many seconds."""
        moments = sorted(when for when, operation, _ in self.sent if operation.startswith("describe"))
        counts = (sum(begin <= when < begin + seconds for when in moments) for begin in moments[::7])
        return max(counts, default=0)


Play = Callable[..., Installation]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Play:
    def play(story: Callable[[Installation], Coroutine[Any, Any, None]], redis: Any = None) -> Installation:
        loop = VirtualLoop()
        try:
            found = Installation(loop, redis or MemoryRedis(lambda: START + loop.time()))
            monkeypatch.setattr(Aws, "_in_thread", found.answer)
            loop.run_until_complete(story(found))
            return found
        finally:
            loop.close()

    return play


def test_readers_of_two_replicas_keep_to_one_budget_and_delay_neither_a_change_nor_a_rollback(play: Play) -> None:
    seconds, delays, elsewhere, shed = 90.0, list[float](), list[float](), list[str]()

    async def look(installation: Installation, aws: Aws, target: Target) -> None:
        """Look every 10 seconds: 40 reads a second in all."""
        end = installation.loop.time() + seconds
        while (begun := installation.loop.time()) < end:
            try:
                await installation.delay(aws, "describe_services", target)
            except BudgetSpent as error:
                shed.append(str(error))
            await asyncio.sleep(max(0.0, begun + 10 - installation.loop.time()))

    async def roll_back(installation: Installation, aws: Aws) -> None:
        for _ in range(int(seconds)):
            for operation in ("describe_services", "update_service"):
                delays.append(await installation.delay(aws.ahead().apart(), operation, TARGETS[0]))
            delays.append(await installation.delay(aws, "update_service", TARGETS[1]))
            elsewhere.append(await installation.delay(aws, "describe_services", ELSEWHERE))
            await asyncio.sleep(1)

    async def story(installation: Installation) -> None:
        replicas = [installation.replica(), installation.replica()]
        readers = [look(installation, aws, target) for aws in replicas for target in TARGETS]
        await asyncio.gather(*readers, *(roll_back(installation, aws) for aws in replicas))

    found = play(story)
    assert set(delays) == {0.0}
    assert max(elsewhere) == 0.0, "another account has a budget of its own"
    own = [(when, operation, service) for when, operation, service in found.sent if service != ELSEWHERE.service]
    found.sent[:] = own
    ahead = 2 * LONGEST_WAIT  # what two rollbacks read while those wait who came before them
    for window in (1, 10, 60):
        assert found.most_in(window) <= RATE * window + BURST + ahead
    bucket = Bucket(Limit(burst=100, rate=20), tokens=100, at=min(own)[0])
    assert all(bucket.take(when) for when, operation, _ in sorted(own) if operation == "describe_services")
    reads = [operation for _, operation, _ in own if operation == "describe_services"]
    assert len(reads) >= RATE * seconds * 0.95, "the budget is used"
    assert shed
    assert "too many reads of ECS in 123456789012/us-west-2 wait for their turn" in shed[0]
    assert "15 a second" in " ".join(found.readiness.degraded)


def test_a_read_waits_for_its_turn_in_the_order_of_asking(play: Play) -> None:
    async def story(installation: Installation) -> None:
        aws = installation.replica()
        delays = await asyncio.gather(
            *(installation.delay(aws, "describe_services", target) for target in TARGETS[:100])
        )
        at_once = int(BURST - RATE * RESERVED_SECONDS)
        assert set(delays[:at_once]) == {0.0}
        assert delays == sorted(delays)
        assert delays[-1] == pytest.approx((100 - at_once) / RATE, abs=1.5 / RATE)
        await asyncio.sleep(60)
        assert await installation.delay(aws, "describe_services", TARGETS[0]) == 0

    play(story)


def test_after_many_rollbacks_others_read_again_soon(play: Play) -> None:
    async def story(installation: Installation) -> None:
        aws = installation.replica()
        for _ in range(2000):
            assert await installation.delay(aws.ahead(), "describe_services", TARGETS[0]) == 0
            await asyncio.sleep(0.001)
        with pytest.raises(BudgetSpent):
            await installation.delay(aws, "describe_services", TARGETS[1])
        await asyncio.sleep(BURST_SECONDS)
        assert await installation.delay(aws, "describe_services", TARGETS[1]) <= LONGEST_WAIT

    play(story)


def test_collection_waits_little_for_requests_and_they_shorten_no_wait_of_its_own(play: Play) -> None:
    async def requests(installation: Installation, aws: Aws, number: int) -> list[float | BaseException]:
        lane.set(REQUESTS)
        asked = (installation.delay(aws, "describe_services", TARGETS[0]) for _ in range(number))
        return await asyncio.gather(*asked, return_exceptions=True)

    async def story(installation: Installation) -> None:
        aws = installation.replica()
        asking = asyncio.create_task(requests(installation, aws, 300))
        await asyncio.sleep(0.01)
        delay = await installation.delay(aws, "describe_services", TARGETS[0])
        assert delay <= LONGEST_WAIT_OF_REQUESTS + 1 / RATE
        delays = await asking
        assert any(isinstance(found, BudgetSpent) for found in delays)
        assert max(found for found in delays if isinstance(found, float)) <= LONGEST_WAIT_OF_REQUESTS
        await asyncio.sleep(60)
        looks = [asyncio.create_task(installation.delay(aws, "describe_services", target)) for target in TARGETS[:120]]
        await asyncio.sleep(0.01)
        (refused,) = await requests(installation, aws, 1)
        assert isinstance(refused, BudgetSpent)
        lane.set(WORK)
        last = await installation.delay(aws, "describe_services", TARGETS[0])
        assert last >= max(await asyncio.gather(*looks)) - 0.01, "it is behind those who came before"

    play(story)


class Away:
    """A Redis that refuses, or that does not answer."""

    def __init__(self, script: Callable[[], Any]) -> None:
        self.script = script
        self.asked = 0

    def register_script(self, _: str) -> Any:
        async def run(**_: Any) -> Any:
            self.asked += 1
            return await self.script()

        return run


async def refuse() -> bytes:
    raise RedisAway


@pytest.mark.parametrize(("script", "longest"), [(refuse, 0.0), (asyncio.Event().wait, REDIS_SECONDS)])
def test_without_redis_reads_go_on(play: Play, script: Callable[[], Any], longest: float) -> None:
    redis = Away(script)

    async def story(installation: Installation) -> None:
        aws = installation.replica()
        delays = [await installation.delay(aws, "describe_services", target) for target in TARGETS]
        assert (delays[0], set(delays[1:])) == (longest, {0.0})
        assert redis.asked == 1
        await asyncio.sleep(REDIS_AGAIN_SECONDS)
        assert await installation.delay(aws.ahead(), "describe_services", TARGETS[0]) == 0
        await asyncio.sleep(0)
        assert redis.asked == 2

    play(story, redis)


async def test_the_script_on_a_real_redis(redis: Any) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    budget = ReadBudget(redis, RATE, sleep=sleep)
    place = ("123456789012", "us-west-2", "ecs")
    await budget.take(*place, "update_service")
    assert await redis.keys("*") == []
    for _ in range(int(BURST - RATE * RESERVED_SECONDS)):
        await budget.take(*place, "describe_services")
    assert waits == []

    async def many() -> None:
        for _ in range(300):
            await budget.take(*place, "describe_services")

    with pytest.raises(BudgetSpent):
        await many()
    assert waits == sorted(waits)
    assert len(waits) >= LONGEST_WAIT * RATE
    assert waits[-1] == pytest.approx(LONGEST_WAIT, abs=0.5)
    waits.clear()
    await budget.take(*place, "describe_services", ahead=True)
    await budget.take(*place, "describe_tasks")
    assert waits == []
    assert 0 < await redis.ttl("{aws-reads}:123456789012:us-west-2:ecs:services") <= LONGEST_WAIT + BURST_SECONDS + 2


def test_a_read_that_was_shed_is_an_answer_that_may_come_later() -> None:
    with pytest.raises(AwsError, match="wait for their turn") as failed, reading("ECS", "DescribeServices"):
        raise BudgetSpent(sentence="too many reads of ECS wait for their turn")
    assert failed.value.temporary


def test_the_buckets_are_those_of_ecs() -> None:
    shared = {(service, xform_name(call)): limit for limit, calls in buckets() for service, call in calls}
    groups = [{(service, xform_name(call)) for service, call in calls} for _, calls in buckets()]
    for bucket in set(BUCKETS.values()):
        calls = {call for call, drawn in BUCKETS.items() if drawn == bucket}
        assert any(calls <= group for group in groups), "they share a bucket at ECS, too"
        for call in calls:
            assert call[1].startswith(("describe_", "list_", "lookup_")), "no call that changes something waits"
            rate = min(RATE, CEILINGS.get(bucket, RATE))
            assert shared[call].rate > rate
            assert bucket in CEILINGS or shared[call].burst >= shared[call].rate * BURST_SECONDS
