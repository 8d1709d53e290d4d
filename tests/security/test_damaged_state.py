"""State that no version can read is set aside with its bytes, and its target goes on."""

from typing import Any

import pytest

from contracts.deployment import DeploymentFinished, DeploymentStarted, Outcome
from contracts.envelope import Meta
from contracts.operations import operation_key
from contracts.recovery import Disarm
from contracts.topics import Party
from sandbox.virtual.redis import MemoryRedis
from services._chassis.assembly import create_service, load_settings
from services._chassis.clock import moment
from services._chassis.damage import set_aside_key
from services._chassis.operations import find_operation
from services._chassis.service import Platform, Service
from services._chassis.store import RedisStore
from services._chassis.transition import Decision, Job, Timer, Transition, decided
from services.orchestrator.domain.course import Course, course_key
from services.orchestrator.domain.view import RunView, run_key
from tests.chassis.fake_consumer import PARTITION
from tests.chassis.test_newer_state import CAPTURE, Old, Replica
from tests.kit import FakeClock, FakePolicies, ScriptedAws, memory_store, published
from tests.services.orchestrator.harness import START, TARGET, asked, run_id_of

DAMAGED = (b'{"schema_version":1,"count":null}', b'{"schema_version":1,"coun', b"\xff\xfe", b"[]", b'{"count":1e999}')


async def put(redis: MemoryRedis, state: bytes, key: str = "state") -> None:
    await RedisStore(redis, "recovery", FakeClock(1_000.0)).apply(Transition(key, lambda _: Decision(state)))


@pytest.fixture(params=DAMAGED)
async def damaged(request: pytest.FixtureRequest) -> tuple[Replica, bytes]:
    replica = Replica(MemoryRedis(), Old)
    await put(replica.redis, request.param)
    return replica, request.param


async def set_aside(replica: Replica, data: bytes) -> None:
    """Demand that the bytes are kept and that the state counts from the beginning again."""
    assert await replica.store.record(set_aside_key("state", data)) == data
    assert await replica.store.load("state") == b'{"schema_version":1,"count":1}'


async def test_a_message_goes_on_without_it_and_nobody_waits(damaged: tuple[Replica, bytes]) -> None:
    replica, data = damaged
    await replica.take(CAPTURE, 17)
    await replica.take(CAPTURE.model_copy(update={"target": TARGET}), 18, "d")
    await set_aside(replica, data)
    assert await replica.store.load("another") == b'{"schema_version":1,"count":1}'
    assert await replica.letters() == []
    assert (replica.partitions.paused, replica.progress.offsets.to_commit()) == (set(), {PARTITION: 19})


async def test_a_timer_and_a_job_go_on_without_it(damaged: tuple[Replica, bytes]) -> None:
    replica, data = damaged
    await replica.store.apply(decided(timers=(Timer("a", "count", 1.0),)))
    for timer in await replica.timers.due():
        await replica.timers.fire(timer)
    await set_aside(replica, data)
    await put(replica.redis, data)
    await replica.store.apply(decided(jobs=(Job("a", "count"),)))
    job = await replica.executor.claim()
    assert job is not None
    await replica.executor.work(job)
    await set_aside(replica, data)


async def test_a_reader_finds_none(damaged: tuple[Replica, bytes]) -> None:
    replica, data = damaged
    assert (await replica.store.read("state", Old)).count == 0
    assert await replica.store.record(set_aside_key("state", data)) == data
    assert await replica.store.load("state") is None


async def test_of_two_that_meet_it_the_later_loses_nothing(damaged: tuple[Replica, bytes]) -> None:
    replica, data = damaged

    async def overtaken(_key: str, _error: object) -> Decision:
        await put(replica.redis, b'{"schema_version":1,"count":7}')
        return Decision()

    replica.store.replace_damaged = overtaken
    await replica.store.apply(replica.counted(), cause="c")
    assert await replica.store.load("state") == b'{"schema_version":1,"count":8}'
    assert await replica.store.record(set_aside_key("state", data)) is None


async def test_a_timer_whose_payload_is_damaged_is_set_aside() -> None:
    replica = Replica(MemoryRedis(), Old)

    async def fire(timer: Timer) -> Transition:
        Old.from_bytes(timer.payload)
        return decided()

    replica.timers._functions = {"count": fire}
    await replica.store.apply(decided(timers=(Timer("a", "count", 1.0, b'{"count":null}'),)))
    for timer in await replica.timers.due():
        await replica.timers.fire(timer)
    replica.clock.time += 10_000
    assert await replica.timers.due() == []
    assert await replica.store.record(set_aside_key("a", b'{"count":null}')) == b'{"count":null}'


class Installation:
    """The orchestrator as it is, on a Redis in memory."""

    def __init__(self) -> None:
        self.clock = FakeClock(START)
        self.store = memory_store("orchestrator", self.clock)
        self.service = self.create()
        self.store.replace_damaged = self.service.replace_damaged

    def create(self) -> Service:
        settings = load_settings(Party.ORCHESTRATOR, aws_account=TARGET.account, aws_region=TARGET.region)
        platform = Platform(self.store, self.clock, ScriptedAws(), policies=FakePolicies())
        return create_service(Party.ORCHESTRATOR, settings, platform)

    async def take(self, event: Any, id_: str) -> None:
        transition = await self.service.handlers[type(event)](event, Meta(id_, "ci", moment(self.clock.now())))
        if transition is not None:
            await self.store.apply(transition, cause=f"ci#{id_}")

    async def damage(self, data: bytes) -> None:
        await self.store.apply(Transition(course_key(TARGET), lambda _: Decision(data)))

    async def view(self, request: str) -> RunView:
        record = await self.store.record(run_key(run_id_of(request)))
        assert record is not None
        return RunView.model_validate_json(record)

    def events(self, kind: type[Any]) -> list[Any]:
        return [envelope.event for envelope in published(self.store) if isinstance(envelope.event, kind)]


async def test_its_runs_end_failed_and_the_next_one_starts() -> None:
    installation = Installation()
    await installation.take(asked(), "1")
    await installation.take(asked(), "2")
    await installation.damage(b'{"schema_version":1,"active":{"deadline":null}}')
    installation.clock.time += 100
    await installation.take(asked(), "3")
    ended = {event.run_id: event for event in installation.events(DeploymentFinished)}
    assert set(ended) == {run_id_of("1"), run_id_of("2")}
    assert {event.outcome for event in ended.values()} == {Outcome.FAILED}
    assert "cannot be read any more" in ended[run_id_of("1")].reason
    assert [event.run_id for event in installation.events(Disarm)] == [run_id_of("1")]
    assert (await installation.view("1")).status == (await installation.view("2")).status == "finished"
    assert (await installation.view("3")).status == "running"
    assert [event.run_id for event in installation.events(DeploymentStarted)] == [run_id_of("1"), run_id_of("3")]


async def test_who_asks_for_the_status_is_answered_and_the_run_ends_once() -> None:
    installation = Installation()
    await installation.take(asked(), "1")
    await installation.damage(b"{")
    for _ in range(3):
        course = await installation.store.read(course_key(TARGET), Course)
        assert course.last_run_id == run_id_of("1")
    (end,) = installation.events(DeploymentFinished)
    await installation.take(end, "end")  # the orchestrator reads what it has published
    await installation.take(asked(), "1")
    assert len(installation.events(DeploymentFinished)) == 1


async def test_its_timers_fire_no_more() -> None:
    installation = Installation()
    await installation.take(asked(), "1")
    await installation.damage(b"{")
    await installation.store.read(course_key(TARGET), Course)
    redis, key = installation.store.redis, installation.store.key("timers")
    assert await redis.zrangebyscore(key, "-inf", "inf", start=0, num=9) == []


async def test_a_record_that_cannot_be_read_is_none() -> None:
    """Of a run and of an operation: nobody is answered 500 for it."""
    installation = Installation()
    await installation.take(asked(), "1")
    records = {run_key(run_id_of("1")): b'{"run_id":null}', operation_key("x"): b"{"}
    await installation.store.apply(decided(records=records))
    assert await find_operation(installation.store, "x") is None
    await installation.damage(b"{")
    course = await installation.store.read(course_key(TARGET), Course)
    assert course == Course()
    (started,) = installation.events(DeploymentStarted)
    await installation.take(started, "again")
