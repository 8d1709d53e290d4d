"""A full Redis: nothing new is begun, and everything that lets something end is written."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from aiokafka import TopicPartition
from fastapi import FastAPI
from redis.exceptions import OutOfMemoryError

from contracts.base import Target
from contracts.recovery import SnapshotCaptured
from services._chassis.apply_call import Lease
from services._chassis.clock import Pace, PacedClock
from services._chassis.http import create_http
from services._chassis.job_leases import JobLeases
from services._chassis.offsets import Offsets
from services._chassis.read_budget import ReadBudget
from services._chassis.readiness import Readiness
from services._chassis.redis_keys import JOBS
from services._chassis.relay import GROUP, Relay
from services._chassis.store import Applied, RedisStore
from services._chassis.transition import Decision, Emit, Job, Timer, Transition, decided
from tests.chassis.test_relay import Bus, StopRelayError

TARGET = Target(account="123456789012", region="us-west-2", cluster="c", service="s")
STATE = Transition("target", lambda _: Decision(state=b"state", records={"run": b"ended"}))


@pytest.fixture
async def store(redis: Any) -> AsyncIterator[RedisStore]:
    """A store with one claimed job, in a Redis that is full."""
    store = RedisStore(redis, "full", PacedClock(Pace()))
    await store.apply(decided(jobs=(Job("rollback", "roll-back", b""),)), cause="asked")
    await redis.xgroup_create(store.key("outbox"), GROUP, id="0", mkstream=True)
    await redis.config_set("maxmemory", 1)
    try:
        yield store
    finally:
        await redis.config_set("maxmemory", 0)


async def test_nothing_new_is_begun_and_nothing_of_it_is_written(store: RedisStore, redis: Any) -> None:
    before = sorted(await redis.keys())
    with pytest.raises(OutOfMemoryError):
        await store.apply(STATE, cause="new", intake=True)
    assert sorted(await redis.keys()) == before


async def test_a_rollback_is_claimed_kept_and_ended_and_its_events_are_published(store: RedisStore) -> None:
    leases = JobLeases(store, 30)
    job = await leases.claim((JOBS,))
    assert job is not None
    await job.checkpoint(b"saved")
    await leases.give_back(job, 0)
    job = await leases.claim((JOBS,))
    assert job is not None
    event = SnapshotCaptured(target=TARGET, run_id="r", snapshot_id="1", task_definition="t:1")
    done = Decision(state=b"ended", emit=(Emit(event, "e"),), timers=(Timer("t", "kind", 1.0),))
    ended = await store.apply(Transition("target", lambda _: done), cause_id="j", lease=Lease(job.id, job.fence))
    assert ended.applied is Applied.APPLIED
    bus = Bus(1)
    with pytest.raises(StopRelayError):
        await Relay(store.redis, store.key("outbox"), "one", bus.publish).run()
    assert bus.taken == ["e"]


async def test_what_was_handled_is_acknowledged(store: RedisStore) -> None:
    assert (await store.apply(STATE, cause="message")).applied is Applied.APPLIED
    assert (await store.apply(STATE, cause="message")).applied is Applied.SEEN
    offsets, partition = Offsets(store), TopicPartition("t", 0)
    run_id = (await offsets.known({partition: 7})).run_id
    assert await offsets.write({partition: 9}, run_id)
    await offsets.announce_catching_up()
    assert await store.write_although_full("HINCRBY", store.key("counters"), "untrusted", 2) == 2
    assert await store.write_although_full("XADD", store.key("outbox"), "*", "field", "value")


async def test_reads_of_a_rollback_draw_from_the_budget(store: RedisStore) -> None:
    readiness = Readiness()
    budget: Any = ReadBudget(store.redis, 10, readiness)
    assert await budget._run("bucket", 10, ahead=False) == b"0"


async def test_over_http_it_is_503_with_what_to_do(store: RedisStore) -> None:
    readiness = Readiness()

    async def lacks() -> dict[str, str]:
        return {}

    http: FastAPI = create_http(lacks, readiness)

    @http.post("/api/v1/begin")
    async def begin() -> None:
        await store.apply(STATE, cause="new", intake=True)

    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(http), base_url="http://surefoot") as client:
        answer = await client.post("/api/v1/begin", json={})
        ready = await client.get("/readyz")
    assert answer.status_code == 503
    assert "Redis is full" in answer.json()["detail"]
    assert answer.headers["retry-after"]
    assert any("Redis is full" in sentence for sentence in ready.json()["degraded"])
