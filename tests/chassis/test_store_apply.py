"""``apply``: all of a transition, or nothing, and once for each cause.

On a real Valkey, and on the Redis in memory that the properties stand on, which is held to the same.
"""

import asyncio
import zlib

import orjson
import pytest

from contracts.base import Target
from contracts.gates import Verdict
from contracts.recovery import SnapshotCaptured
from contracts.results import StepFinished
from sandbox.virtual.redis import MemoryRedis
from services._chassis.apply_call import Lease, fields_of, message_of
from services._chassis.clock import Pace, PacedClock
from services._chassis.jobs import Executor
from services._chassis.store import Applied, RedisStore
from services._chassis.tasks import end
from services._chassis.timers import Timers
from services._chassis.transition import Decision, Emit, Job, Timer, Transition, decided

TARGET = Target(account="123456789012", region="us-west-2", cluster="c", service="s")
EVENT = SnapshotCaptured(target=TARGET, run_id="r", snapshot_id="1", task_definition="t:1")


ANSWER = StepFinished(
    target=TARGET, run_id="r", command_id="j", step="capture-snapshot", verdict=Verdict.PASS, summary="done"
)


@pytest.fixture
def clock() -> PacedClock:
    return PacedClock(Pace())


@pytest.fixture(params=["valkey", "memory"])
def store(request: pytest.FixtureRequest, clock: PacedClock) -> RedisStore:
    redis = request.getfixturevalue("redis") if request.param == "valkey" else MemoryRedis()
    return RedisStore(redis, "recovery", clock)


def count(data: bytes | None) -> Decision:
    return Decision(state=str(int(data or 0) + 1).encode(), emit=(Emit(EVENT, f"e{data!r}"),))


async def outbox(store: RedisStore) -> int:
    return int(await store.redis.xlen(store.key("outbox")))


async def test_same_cause_once(store: RedisStore) -> None:
    transition = Transition("counter", count)
    assert (await store.apply(transition, cause="a")).applied is Applied.APPLIED
    assert (await store.apply(transition, cause="a")).applied is Applied.SEEN
    assert (await store.apply(transition, cause="b")).applied is Applied.APPLIED
    assert await store.load("counter") == b"2"
    assert await outbox(store) == 2


async def test_no_update_is_lost_when_many_decide_at_once(store: RedisStore) -> None:
    results = await asyncio.gather(
        *(store.apply(Transition("counter", count), cause=f"cause-{number}") for number in range(12))
    )
    assert {written.applied for written in results} == {Applied.APPLIED}
    assert await store.load("counter") == b"12"
    assert await outbox(store) == 12


async def test_the_state_decided_on_is_the_state_replaced(store: RedisStore) -> None:
    """Between a decision and its writing another one gets in: the first is decided anew."""
    seen: list[bytes | None] = []

    def slow(data: bytes | None) -> Decision:
        seen.append(data)
        return count(data)

    interposed = Transition("counter", slow)
    original = store._state

    async def state_and_interference(key: str | None) -> tuple[str, bytes | None]:
        found = await original(key)
        if len(seen) == 0:
            await RedisStore(store.redis, "recovery", PacedClock(Pace())).apply(Transition("counter", count))
        return found

    store._state = state_and_interference  # type: ignore[method-assign]  # the race, made certain
    assert (await store.apply(interposed, cause="late")).applied is Applied.APPLIED
    assert seen == [None, b"1"]
    assert await store.load("counter") == b"2"


async def test_a_job_is_inserted_once_and_ends_once(store: RedisStore) -> None:
    executor = Executor(store, {}, lease=30, slots=1)
    await store.apply(decided(jobs=(Job("j", "work", b"payload"),)), cause="a")
    await store.apply(decided(jobs=(Job("j", "work", b"other"),)), cause="b")
    first = await executor.claim()
    assert first is not None
    assert first.payload == b"payload"
    assert await executor.claim() is None
    ended = await store.apply(decided(Emit(ANSWER, "end")), lease=Lease("j", first.fence))
    again = await store.apply(decided(Emit(ANSWER, "end")), lease=Lease("j", first.fence))
    assert (ended.applied, again.applied) == (Applied.APPLIED, Applied.FENCED)
    assert await outbox(store) == 1
    await store.answer_again("j")
    assert await outbox(store) == 2
    first_time, second_time = [fields for _, fields in await store.redis.xrange(store.key("outbox"))]
    assert first_time == second_time


@pytest.mark.parametrize("kept", ["0.1.0", "the version before"])
async def test_answers_that_earlier_versions_kept_are_given_again(store: RedisStore, kept: str) -> None:
    fields = fields_of(message_of(Emit(ANSWER, "end"), "recovery", "c", 1.7e9))
    if kept == "0.1.0":
        flat = (part for pair in fields.items() for part in pair)
        await store.write_although_full("HSET", store.key("answer", "j"), *flat)
    else:
        text = orjson.dumps({name: value.decode() for name, value in fields.items()})
        await store.write_although_full("SET", store.key("answered", "j"), b"\x00z" + zlib.compress(text, 9))
    await store.answer_again("j")
    ((_, given),) = await store.redis.xrange(store.key("outbox"))
    assert given == {name.encode(): value for name, value in fields.items()}


async def test_a_lost_lease_fences_its_holder(store: RedisStore) -> None:
    executor = Executor(store, {}, lease=0.001, slots=1)
    await store.apply(decided(jobs=(Job("j", "work"),)), cause="a")
    first = await executor.claim()
    assert first is not None
    second = None
    async with asyncio.timeout(5):
        while second is None:
            second = await executor.claim()
    assert second.fence > first.fence
    assert (await store.apply(decided(Emit(EVENT, "x")), lease=Lease("j", first.fence))).applied is Applied.FENCED
    assert (await store.apply(decided(Emit(EVENT, "x")), lease=Lease("j", second.fence))).applied is Applied.APPLIED


async def test_a_cancelled_job_never_starts(store: RedisStore) -> None:
    executor = Executor(store, {}, lease=30, slots=1)
    await store.apply(decided(jobs=(Job("j", "work"),)), cause="a")
    await store.apply(Transition(None, lambda _: Decision(cancel_jobs=("j",))), cause="b")
    assert await executor.claim() is None


async def test_a_timer_fires_once_and_may_set_itself_anew(store: RedisStore, clock: PacedClock) -> None:
    fired: list[str] = []

    async def fire(timer: Timer) -> Transition:
        fired.append(timer.id)
        return decided(timers=(Timer(timer.id, "tick", clock.now() + 3600),))

    timers = Timers(store, clock, {"tick": fire})
    timer = Timer("t", "tick", clock.now() - 1, b"p")
    await store.apply(decided(timers=(timer, Timer("later", "tick", clock.now() + 3600))), cause="a")
    due = await timers.due()
    assert [(timer.id, timer.payload) for timer in due] == [("t", b"p")]
    await asyncio.gather(*(timers.fire(due[0]) for _ in range(3)))
    assert await timers.due() == []
    assert await store.redis.zcard(store.key("timers")) == 2
    assert (await store.apply(decided(Emit(EVENT, "x")), timer=due[0])).applied is Applied.SEEN


async def test_nothing_is_overdue_while_answers_are_still_to_be_read_again(
    store: RedisStore, clock: PacedClock
) -> None:
    fired, behind = asyncio.Event(), [True, True, False]

    async def fire(_: Timer) -> None:
        assert not behind
        fired.set()

    timers = Timers(store, clock, {"tick": fire}, lambda: bool(behind) and behind.pop(0))
    await store.apply(decided(timers=(Timer("t", "tick", clock.now() - 1),)), cause="a")
    running = asyncio.create_task(timers.run())
    async with asyncio.timeout(10):
        await fired.wait()
    await end([running])


async def test_a_failing_timer_is_tried_again(store: RedisStore, clock: PacedClock) -> None:
    async def fail(_: Timer) -> Transition:
        raise RuntimeError

    timers = Timers(store, clock, {"tick": fail})
    await store.apply(decided(timers=(Timer("t", "tick", clock.now() - 1),)), cause="a")
    await timers.fire((await timers.due())[0])
    assert await store.redis.zscore(store.key("timers"), "t") > clock.now()
