"""Jobs, on a real Valkey and on the Redis in memory: one executor at a time, and a way on whatever dies."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from contracts.recovery import CaptureSnapshot
from sandbox.child import claim_port
from sandbox.valkey import Valkey
from sandbox.virtual.redis import MemoryRedis
from services._chassis import jobs
from services._chassis.clock import Pace, PacedClock
from services._chassis.commands import Command
from services._chassis.job_leases import LeasedJob
from services._chassis.jobs import ATTEMPTS, Executor, Running
from services._chassis.store import RedisStore
from services._chassis.tasks import end
from services._chassis.transition import Cancelled, Decision, Transition, decided
from tests.chassis.harness import TARGET


@pytest.fixture(params=["valkey", "memory"])
def store(request: pytest.FixtureRequest) -> RedisStore:
    redis = request.getfixturevalue("redis") if request.param == "valkey" else MemoryRedis()
    return RedisStore(redis, "recovery", PacedClock(Pace()))


def executor(store: RedisStore, lease: float, **functions: Any) -> Executor:
    return Executor(store, functions, lease=lease, slots=1)


async def claimed(worker: Executor) -> LeasedJob:
    async with asyncio.timeout(5):
        while (job := await worker.claim()) is None:
            pass
    return job


async def asked(store: RedisStore) -> None:
    command = Command.to(CaptureSnapshot, TARGET, "run", "j")
    await store.apply(decided(jobs=(command.job("work", b"p"),)), cause="c")


async def test_what_one_executor_holds_another_does_not_take(store: RedisStore) -> None:
    await asked(store)
    one, other = executor(store, 30), executor(store, 30)
    job = await claimed(one)
    await job.check()
    assert await other.claim() is None


async def test_a_job_knows_whether_its_redis_is_another_one(tmp_path: Path) -> None:
    """A restored Redis may be a copy of before the last checkpoint, of which nothing is seen then."""
    server = Valkey(tmp_path, claim_port(0))
    store = RedisStore(Redis.from_url(server.start()), "recovery", PacedClock(Pace()))
    await asked(store)
    assert [(await claimed(executor(store, 0.001))).same_redis for _ in range(2)] == [True, True]
    server.kill()
    server.start()
    await store.redis.connection_pool.disconnect()
    assert not (await claimed(executor(store, 0.001))).same_redis
    await store.redis.aclose()
    server.kill()


async def test_a_taken_over_job_keeps_what_was_saved_and_stops_its_first_executor(store: RedisStore) -> None:
    await asked(store)
    first = await claimed(executor(store, 0.001))
    await first.checkpoint(b"half")
    second = await claimed(executor(store, 30))
    assert second.saved == b"half"
    for late in (first.check(), first.checkpoint(b"late"), first.emit()):
        with pytest.raises(Cancelled):
            await late
    assert (await claimed(executor(store, 30))).saved == b"half" if second.ended else True


async def test_a_job_that_kills_each_worker_is_given_up_and_answered(store: RedisStore) -> None:
    await asked(store)
    for _ in range(ATTEMPTS):
        await claimed(executor(store, 0.001))  # and dies

    async def work(job: Running) -> Transition:
        raise AssertionError(f"attempt {job.attempt}")

    last = executor(store, 30, work=work)
    await last.work(await claimed(last))
    assert await last.claim() is None
    ((_, fields),) = await store.redis.xrange(store.key("outbox"))
    assert b"gave up after 5 attempts" in fields[b"value"]
    assert b"inconclusive" in fields[b"value"]


async def test_a_slow_job_keeps_its_lease_by_its_heartbeat(store: RedisStore) -> None:
    await asked(store)
    beats = 0

    async def work(job: Running) -> Transition:
        nonlocal beats
        score = await store.redis.zscore(store.key("jobs"), "j")
        async with asyncio.timeout(10):
            while beats < 2:
                await asyncio.sleep(0.01)
                if (now := await store.redis.zscore(store.key("jobs"), "j")) != score:
                    beats, score = beats + 1, now
        return decided()

    one = executor(store, 1.0, work=work)
    await one.work(await claimed(one))
    assert beats == 2
    assert await store.redis.hget(store.key("job", "j"), "state") == b"done"


async def test_a_job_that_this_process_inserts_is_begun_at_once(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "IDLE_SECONDS", 60)
    begun = asyncio.Event()

    async def work(_: Running) -> Transition:
        begun.set()
        return decided()

    running = asyncio.create_task(executor(store, 30, work=work).run())
    await asyncio.sleep(0.1)
    await asked(store)
    await asyncio.wait_for(begun.wait(), 5)
    await end([running])


async def test_a_job_that_another_process_inserts_is_found(store: RedisStore) -> None:
    begun = asyncio.Event()

    async def work(_: Running) -> Transition:
        begun.set()
        return decided()

    running = asyncio.create_task(executor(store, 30, work=work).run())
    await asyncio.sleep(0.1)
    await asked(RedisStore(store.redis, store.service, store.clock))
    await asyncio.wait_for(begun.wait(), 5)
    await end([running])


async def test_jobs_that_bring_a_service_back_wait_for_none_of_the_others(store: RedisStore) -> None:
    store.first_jobs = frozenset({"back"})
    command = Command.to(CaptureSnapshot, TARGET, "run", "j")
    others = [replace(command.job("work", b""), id=f"work-{number}") for number in range(50)]
    await store.apply(decided(jobs=tuple(others)), cause="c")
    over = asyncio.Event()
    at_work: list[str] = []

    async def work(job: Running) -> Transition:
        at_work.append(job.id)
        await over.wait()
        return decided()

    worker = Executor(store, {"work": work, "back": work}, lease=30, slots=2, idle=0.01)

    async def left() -> int:
        return int(await store.redis.zcard(store.key("jobs")) + await store.redis.zcard(store.key("jobs-first")))

    running = asyncio.create_task(worker.run())
    try:
        async with asyncio.timeout(10):
            await until(lambda: len(at_work) == 2)
            await store.apply(decided(jobs=(replace(command.job("back", b""), id="back-1"),)), cause="alert")
            await until(lambda: "back-1" in at_work)
            assert len(at_work) == 3, "the others keep to their places"
            over.set()
            while await left():  # noqa: ASYNC110  nor does Redis
                await asyncio.sleep(0.01)
    finally:
        over.set()
        await end((running,))


async def until(fact: Callable[[], bool]) -> None:
    while not fact():  # noqa: ASYNC110  a list does not notify
        await asyncio.sleep(0.01)


async def test_a_job_of_either_queue_is_cancelled_before_it_begins(store: RedisStore) -> None:
    store.first_jobs = frozenset({"back"})
    command = Command.to(CaptureSnapshot, TARGET, "run", "j")
    jobs_ = tuple(replace(command.job(kind, b""), id=kind) for kind in ("work", "back"))
    await store.apply(decided(jobs=jobs_), cause="c")
    await store.apply(Transition(None, lambda _: Decision(cancel_jobs=("work", "back"))), cause="d")
    assert await executor(store, 30).claim() is None
