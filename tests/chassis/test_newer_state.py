"""An older replica meets what a newer one wrote: it waits, changes nothing, and holds up nobody for ever.

``Old`` and ``New`` are two versions of the same service on one Redis.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import httpx2
import orjson
import pytest
from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord
from fastapi import APIRouter

from contracts.dead_letter import DeadLettered
from contracts.envelope import Meta, from_message
from contracts.recovery import CaptureSnapshot
from contracts.results import StepFinished
from contracts.state import State
from sandbox.virtual.redis import MemoryRedis
from services._chassis import consumer as chassis
from services._chassis.catch_up import CatchUp
from services._chassis.clock import moment
from services._chassis.commands import Command
from services._chassis.consumer import Consumer
from services._chassis.http import create_http
from services._chassis.jobs import NEWER_STATE_AGAIN, Executor, Running
from services._chassis.readiness import NEWER_STATE_LONGEST, NEWER_STATE_SECONDS, Readiness
from services._chassis.service import Service
from services._chassis.store import RedisStore
from services._chassis.timers import RETRY_SECONDS, Timers
from services._chassis.transition import Decision, Job, Timer, Transition, decided
from tests.chassis.fake_consumer import PARTITION, FakeConsumer
from tests.chassis.harness import TARGET, command
from tests.kit import FakeClock

CAPTURE = CaptureSnapshot(target=TARGET, run_id="run", purpose="before-change")
NOW = 1_000.0
NEWER = b'{"schema_version":1,"count":1,"added":"not to be lost"}'


class Old(State):
    count: int = 0


class New(Old):
    added: str = ""


@dataclass
class Replica:
    """A service that counts what comes, in one version."""

    redis: MemoryRedis
    form: type[Old]
    kinds: tuple[str, ...] = ("count",)
    real: float = 0.0
    partitions: FakeConsumer = field(default_factory=FakeConsumer)

    def __post_init__(self) -> None:
        self.clock = FakeClock(NOW)
        self.store = RedisStore(self.redis, "recovery", self.clock)
        self.readiness = Readiness(lambda: self.real)
        router = APIRouter()
        router.add_api_route("/count", self.shown)
        jobs, timers = dict.fromkeys(self.kinds, self.worked), dict.fromkeys(self.kinds, self.fired)
        self.service = Service("recovery", {CaptureSnapshot: self.handle}, router=router)
        self.progress = CatchUp(self.store)
        self.progress.consumer = lambda: self.partitions
        self.consumer = Consumer(self.service, self.store, self.progress, self.readiness, lambda: self.real)
        self.timers = Timers(self.store, self.clock, timers, readiness=self.readiness)
        self.executor = Executor(self.store, jobs, lease=30, slots=1, readiness=self.readiness)

    def counted(self, key: str = "state") -> Transition:
        def decide(data: bytes | None) -> Decision:
            state = self.form.from_bytes(data)
            return Decision(state.replace(count=state.count + 1).to_bytes())

        return Transition(key, decide)

    async def handle(self, event: CaptureSnapshot, _: Meta) -> Transition:
        return self.counted("state" if event.target == TARGET else "another")

    async def fired(self, _: Timer) -> Transition:
        return self.counted()

    async def worked(self, _: Running) -> Transition:
        return self.counted()

    async def shown(self) -> int:
        return self.form.from_bytes(await self.store.load("state")).count

    async def take(self, event: CaptureSnapshot, offset: int, id_: str = "c") -> None:
        topic, key, headers, value = command(id_, event, moment(self.clock.now()))
        await self.consumer.consume(ConsumerRecord(topic, 3, offset, 0, 0, key, value, None, 0, 0, tuple(headers)))

    async def letters(self) -> list[DeadLettered]:
        entries = await self.redis.xrange(self.store.key("outbox"))
        events = [
            from_message([(name, value.encode()) for name, value in orjson.loads(fields[b"headers"])], fields[b"value"])
            for _, fields in entries
        ]
        return [envelope.event for envelope in events if isinstance(envelope.event, DeadLettered)]

    async def get(self) -> httpx2.Response:
        async def nothing() -> dict[str, str]:
            return {}

        http = create_http(nothing, self.readiness)
        http.include_router(self.service.router)
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(http), base_url="http://old") as client:
            found = await client.get("/count")
            self.ready = (await client.get("/readyz")).json()
        return found


@pytest.fixture
async def redis() -> MemoryRedis:
    redis = MemoryRedis()
    await put(redis, NEWER)
    return redis


async def put(redis: MemoryRedis, state: bytes) -> None:
    await RedisStore(redis, "recovery", FakeClock(NOW)).apply(Transition("state", lambda _: Decision(state)))


async def stored(redis: MemoryRedis) -> Any:
    return orjson.loads(await RedisStore(redis, "recovery", FakeClock(NOW)).load("state") or b"{}")


async def untouched(redis: MemoryRedis) -> bool:
    return bool(await stored(redis) == orjson.loads(NEWER))


async def goes_on(redis: MemoryRedis) -> bool:
    return bool(await stored(redis) == {"schema_version": 1, "count": 2, "added": "not to be lost"})


async def test_a_message_waits_for_a_newer_replica(redis: MemoryRedis) -> None:
    old, new = Replica(redis, Old), Replica(redis, New)
    await old.take(CAPTURE, 17)
    assert await untouched(redis)
    assert old.partitions.sought == {PARTITION: 17}
    assert old.partitions.paused == {PARTITION}
    assert old.progress.offsets.to_commit() == {}
    (sentence,) = old.readiness.degraded
    assert "state of a newer version" in sentence
    await new.take(CAPTURE, 17)
    assert await goes_on(redis)
    assert new.progress.offsets.to_commit() == {PARTITION: 18}
    assert await new.letters() == []


async def test_the_partition_is_read_again(redis: MemoryRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chassis, "NEWER_STATE_AGAIN", 0.0)
    old = Replica(redis, Old)
    await old.take(CAPTURE, 17)
    resumed = old.partitions.resume
    again = asyncio.Event()

    def resume(*partitions: TopicPartition) -> None:
        resumed(*partitions)
        again.set()

    old.partitions.resume = resume  # type: ignore[method-assign]  # a test listens
    async with asyncio.timeout(10):
        await again.wait()
    assert old.partitions.paused == set()


async def test_no_target_holds_up_the_others_for_ever(redis: MemoryRedis) -> None:
    old = Replica(redis, Old)
    another = CAPTURE.model_copy(update={"target": TARGET.model_copy(update={"service": "another"})})
    await old.take(CAPTURE, 17)
    old.real = NEWER_STATE_LONGEST - 1
    await old.take(CAPTURE, 17)
    assert await old.letters() == []
    old.real = NEWER_STATE_LONGEST
    await old.take(CAPTURE, 17)
    await old.take(another, 18, "d")
    await old.take(CAPTURE, 19, "e")
    assert await untouched(redis)
    assert await old.store.load("another") == b'{"schema_version":1,"count":1}'
    assert [(letter.offset, letter.reason) for letter in await old.letters()] == [(17, "failed"), (19, "failed")]
    assert "newer version" in (await old.letters())[0].detail
    assert old.progress.offsets.to_commit() == {PARTITION: 20}
    # once it can be read, the next one that cannot waits anew
    await put(redis, b'{"count":5}')
    await old.take(CAPTURE, 20, "f")
    await put(redis, NEWER)
    await old.take(CAPTURE, 21, "g")
    assert old.progress.offsets.to_commit() == {PARTITION: 21}


async def test_the_time_in_which_another_replica_reads_does_not_count(redis: MemoryRedis) -> None:
    old = Replica(redis, Old)
    await old.take(CAPTURE, 17)
    old.progress.on_partitions_revoked({PARTITION})
    old.real = 2 * NEWER_STATE_LONGEST
    await old.take(CAPTURE, 18, "d")
    assert await old.letters() == []
    assert old.partitions.sought == {PARTITION: 18}
    old.real += NEWER_STATE_LONGEST
    await old.take(CAPTURE, 18, "d")
    assert [letter.offset for letter in await old.letters()] == [18]


async def test_a_timer_waits_and_lets_the_others_go_first(redis: MemoryRedis) -> None:
    old, new = Replica(redis, Old), Replica(redis, New, kinds=("count", "new"))
    await old.store.apply(decided(timers=(Timer("a", "count", 1.0), Timer("b", "new", 2.0))))
    for timer in await old.timers.due():
        await old.timers.fire(timer)
    assert await untouched(redis)
    assert await old.timers.due() == []
    assert len(old.readiness.degraded) == 2
    new.clock.time += RETRY_SECONDS
    for timer in await new.timers.due():
        await new.timers.fire(timer)
    assert (await stored(redis))["count"] == 3
    assert await new.timers.due() == []


@pytest.mark.parametrize("kind", ["count", "new"])
async def test_a_job_waits_and_its_attempts_do_not_count(
    redis: MemoryRedis, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("services._chassis.jobs.NEWER_STATE_AGAIN", 0.0)
    old, new = Replica(redis, Old), Replica(redis, New, kinds=("count", "new"))
    await old.store.apply(decided(jobs=(Job("a", kind),)))
    for _ in range(9):
        job = await old.executor.claim()
        assert job is not None
        assert job.attempt == 1
        await old.executor.work(job)
    assert await untouched(redis)
    assert len(old.readiness.degraded) == 1
    job = await new.executor.claim()
    assert job is not None
    await new.executor.work(job)
    assert await goes_on(redis)
    assert await new.executor.claim() is None


async def worked_on(replica: Replica) -> bytes | None:
    """Let a replica claim the job and do it as far as it can; return the job's state."""
    job = await replica.executor.claim()
    assert job is not None
    await replica.executor.work(job)
    return await replica.redis.hget(replica.store.key("job", "a"), "state")


@pytest.mark.parametrize("kind", ["count", "new"])
async def test_a_job_for_which_no_newer_replica_comes_fails_and_its_command_is_answered(kind: str) -> None:
    times = [1_000_000.0]
    redis = MemoryRedis(lambda: times[-1])
    await put(redis, NEWER)
    old, another = Replica(redis, Old), Replica(redis, Old)
    await old.store.apply(decided(jobs=(Command.of(CAPTURE, Meta("a", "s", moment(0))).job(kind, b""),)))
    for replica, seconds in ((old, 0), (another, 450), (old, NEWER_STATE_LONGEST - 1)):
        times.append(times[0] + seconds)
        assert await worked_on(replica) == b"running"
    times.append(times[0] + NEWER_STATE_LONGEST + NEWER_STATE_AGAIN)
    assert await worked_on(another) == b"done"
    assert await old.executor.claim() is None
    ((_, fields),) = await redis.xrange(old.store.key("outbox"))
    answer = StepFinished.model_validate_json(fields[b"value"])
    assert (answer.verdict, answer.cause) == ("inconclusive", "error")
    assert "no replica of a newer version took it over for 15 minutes" in answer.summary
    assert await untouched(redis)


async def test_a_job_that_a_newer_replica_had_waits_anew() -> None:
    times = [1_000_000.0]
    redis = MemoryRedis(lambda: times[-1])
    await put(redis, NEWER)
    old, new = Replica(redis, Old), Replica(redis, New)
    await old.store.apply(decided(jobs=(Job("a", "count"),)))
    assert await worked_on(old) == b"running"
    times.append(times[-1] + NEWER_STATE_LONGEST - 60)
    assert await new.executor.claim() is not None  # it dies with the job, whose lease runs out
    times.append(times[-1] + 120)
    assert await worked_on(old) == b"running"
    times.append(times[-1] + NEWER_STATE_LONGEST)
    assert await worked_on(old) == b"done"


async def test_a_request_is_told_to_try_again(redis: MemoryRedis) -> None:
    old, new = Replica(redis, Old), Replica(redis, New)
    answer = await old.get()
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    assert "newer" in answer.json()["detail"]
    assert old.ready["ready"] is True
    assert len(old.ready["degraded"]) == 1
    old.real += NEWER_STATE_SECONDS
    assert old.readiness.degraded == []
    answer = await new.get()
    assert (answer.status_code, answer.json(), new.ready["degraded"]) == (200, 1, [])
    assert await untouched(redis)


async def test_until_it_has_started_every_path_says_so() -> None:
    async def missing() -> dict[str, str]:
        return {"redis": "no route"}

    http = create_http(missing, Readiness(), lambda: False)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(http), base_url="http://new") as client:
        for path in ("/", "/api/v1/health/score", "/api/v1/docs"):
            answer = await client.get(path)
            assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
            assert int(answer.headers["retry-after"]) > 0
            assert "/readyz" in answer.json()["detail"]
        ready, alive = await client.get("/readyz"), await client.get("/livez")
    assert (ready.status_code, ready.json()["missing"], alive.status_code) == (503, {"redis": "no route"}, 200)


def test_what_is_degraded_is_told_until_it_is_cleared() -> None:
    readiness = Readiness()
    readiness.degrade("policy", "The policy file cannot be read; the one from 12:00 holds.")
    readiness.degrade("account", "No access to 111122223333.")
    assert readiness.degraded == [
        "No access to 111122223333.",
        "The policy file cannot be read; the one from 12:00 holds.",
    ]
    readiness.clear("account")
    readiness.clear("account")
    readiness.degrade("policy", "Still.")
    assert readiness.degraded == ["Still."]
