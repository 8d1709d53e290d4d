"""Redis has executed a script, and its answer is lost: whoever sends it again gets the outcome of the first."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka import TopicPartition
from pydantic import AnyUrl
from redis.exceptions import RedisError

from services._chassis.apply_call import Lease
from services._chassis.clock import Pace, PacedClock
from services._chassis.job_leases import JobLeases
from services._chassis.offsets import Offsets
from services._chassis.read_budget import ReadBudget
from services._chassis.readiness import Readiness
from services._chassis.redis_connection import RedisConnection
from services._chassis.redis_keys import JOBS
from services._chassis.settings import Settings
from services._chassis.store import Applied, RedisStore
from services._chassis.transition import Decision, Job, Timer, Transition, decided
from tests.chassis.lossy_proxy import LossyProxy, lossy_proxy

STATE = Transition("counter", lambda data: Decision(state=str(int(data or 0) + 1).encode()))


@contextlib.asynccontextmanager
async def behind_a_proxy(valkey_url: str) -> AsyncIterator[tuple[RedisStore, LossyProxy]]:
    async with lossy_proxy(AnyUrl(valkey_url).port or 0) as proxy:
        settings = Settings(redis_url=AnyUrl(f"redis://127.0.0.1:{proxy.port}/0"))
        client = RedisConnection.of(settings, "us-west-2").client()
        yield RedisStore(client, "lost", PacedClock(Pace())), proxy
        await client.aclose()


async def known(store: RedisStore) -> None:
    """Let Redis know the script, so that what is lost is the answer to EVALSHA."""
    await store.apply(decided(), cause="first")


@pytest.mark.parametrize("cause", ["", "cause"])
async def test_apply_returns_its_own_outcome_and_writes_once(redis: Any, valkey_url: str, cause: str) -> None:
    async with behind_a_proxy(valkey_url) as (store, proxy):
        await known(store)
        proxy.drops = b"EVALSHA"
        written = await store.apply(STATE, cause=cause)
        assert (written.applied, proxy.dropped) == (Applied.APPLIED, [b"EVALSHA"])
        assert await store.load("counter") == b"1"
        again = await store.apply(STATE, cause="cause")
        assert again.applied is (Applied.SEEN if cause else Applied.APPLIED)


async def test_the_end_of_a_job_and_of_a_timer_are_what_they_were(redis: Any, valkey_url: str) -> None:
    async with behind_a_proxy(valkey_url) as (store, proxy):
        timer = Timer("t", "kind", 1.0)
        await store.apply(decided(jobs=(Job("j", "kind", b""),), timers=(timer,)), cause="first")
        leases = JobLeases(store, 30)
        job = await leases.claim((JOBS,))
        assert job is not None
        proxy.drops = b"EVALSHA"
        ended = await store.apply(STATE, cause_id="j", lease=Lease("j", job.fence))
        assert ended.applied is Applied.APPLIED
        proxy.drops = b"EVALSHA"
        fired = await store.apply(STATE, cause_id="t", timer=timer)
        assert fired.applied is Applied.APPLIED
        assert (await store.load("counter"), len(proxy.dropped)) == (b"2", 2)


async def test_a_job_is_claimed_kept_and_given_back_once(redis: Any, valkey_url: str) -> None:
    async with behind_a_proxy(valkey_url) as (store, proxy):
        await store.apply(decided(jobs=(Job("j", "kind", b"payload"),)), cause="first")
        leases = JobLeases(store, 30)
        proxy.drops = b"EVALSHA"
        await leases.claim((JOBS,))  # Redis does not know the script yet, and says so in vain
        job = await store.redis.hgetall(store.key("job", "j"))
        assert (job[b"state"], job[b"attempt"]) == (b"running", b"1")
        await store.redis.zadd(store.key("jobs"), {"j": 0})
        proxy.drops = b"EVALSHA"
        claimed = await leases.claim((JOBS,))
        assert claimed is not None
        assert (claimed.attempt, claimed.kind, claimed.payload) == (2, "kind", b"payload")
        assert await leases.claim((JOBS,)) is None
        for _ in range(2):
            proxy.drops = b"EVALSHA"
            await claimed.check()
        await leases.give_back(claimed, 0, counted=False)
        await store.redis.hset(store.key("job", "j"), "given_back", "")
        proxy.drops = b"EVALSHA"
        await leases.give_back(claimed, 0, counted=False)
        assert await store.redis.hget(store.key("job", "j"), "attempt") == b"0"
        assert proxy.drops == b""


async def test_offsets_and_reads_are_asked_for_again(redis: Any, valkey_url: str) -> None:
    async with behind_a_proxy(valkey_url) as (store, proxy):
        offsets, partition = Offsets(store), TopicPartition("t", 0)
        before = await offsets.known({partition: 7})
        proxy.drops = b"EVALSHA"
        assert await offsets.known({partition: 7}) == before
        proxy.drops = b"EVALSHA"
        assert await offsets.write({partition: 9}, before.run_id)
        proxy.drops = b"EVALSHA"
        await offsets.announce_catching_up()
        assert await store.redis.get(store.key("behind")) == b"1"
        assert proxy.drops == b""


async def test_a_read_whose_answer_is_lost_takes_one_place_more_for_as_long_as_a_read_does(
    redis: Any, valkey_url: str
) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    async with behind_a_proxy(valkey_url) as (store, proxy):
        budget = ReadBudget(store.redis, 10, Readiness(), sleep=sleep)
        asked, key = ("1", "r", "ecs", "describe_services"), "{aws-reads}:1:r:ecs:services"

        async def full_at() -> float:
            return float(await store.redis.get(key))

        for _ in range(40):
            await budget.take(*asked)
        before = await full_at()
        proxy.drops = b"EVALSHA"
        await budget.take(*asked)
        assert (await full_at() - before, proxy.drops) == (2 * 1e6 / 10, b""), "two places of a tenth of a second"
        await budget.take(*asked)
        assert waited[-1] - waited[-2] <= 0.1, "and the next waits for them and no longer"


async def test_a_redis_that_loses_it_twice_is_away(redis: Any, valkey_url: str) -> None:
    async with behind_a_proxy(valkey_url) as (store, proxy):
        await known(store)
        real = store.redis.evalsha

        async def lost(*arguments: Any) -> Any:
            proxy.drops = b"EVALSHA"
            return await real(*arguments)

        store.redis.evalsha = lost
        with pytest.raises(RedisError):
            await store.apply(STATE, cause="cause")
        assert len(proxy.dropped) == 2
