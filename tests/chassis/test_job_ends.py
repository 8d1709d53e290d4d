"""Every job has an end, whatever happens to it, and its requester gets a sentence about it."""

import asyncio
from typing import Any

import orjson
import pytest
from pydantic import BaseModel

from contracts.operations import Operation
from contracts.recovery import CaptureSnapshot
from contracts.results import StepFinished
from sandbox.virtual.redis import MemoryRedis
from services._chassis import jobs
from services._chassis.clock import Pace, PacedClock, moment
from services._chassis.commands import Command
from services._chassis.job_leases import LeasedJob
from services._chassis.jobs import ATTEMPTS, Executor, FailedJob, Running
from services._chassis.operations import find_operation
from services._chassis.reasons import Impossible
from services._chassis.store import RedisStore
from services._chassis.transition import Decision, Job, Transition, decided
from tests.chassis.harness import TARGET

COMMAND = Command.to(CaptureSnapshot, TARGET, "run", "j")


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> RedisStore:
    monkeypatch.setattr(jobs, "BACKOFF_SECONDS", (0.0,) * ATTEMPTS)
    return RedisStore(MemoryRedis(), "recovery", PacedClock(Pace()))


def at_work(store: RedisStore, work: Any, lease: float = 30, failure: Any = None) -> Executor:
    return Executor(store, {"work": work}, {"work": failure} if failure else {}, lease=lease, slots=1)


def raising(error: BaseException) -> Any:
    async def work(_: Running) -> Transition:
        raise error

    return work


async def begun(store: RedisStore) -> None:
    """An operation and its job."""
    operation = Operation(operation_id="j", kind="snapshot", target=TARGET, started_at=moment(store.clock.now()))
    await store.apply(decided(jobs=(Job("j", "work"),), records=operation.record), cause="asked")


async def next_claim(executor: Executor) -> LeasedJob:
    async with asyncio.timeout(5):
        while (job := await executor.claim()) is None:
            pass
    return job


async def ended(store: RedisStore) -> Operation:
    operation = await find_operation(store, "j")
    assert operation is not None
    assert await store.redis.hget(store.key("job", "j"), "state") == b"done"
    assert await Executor(store, {}, lease=30, slots=1).claim() is None, "it holds nobody up"
    return operation


async def test_what_cannot_be_done_fails_at_the_first_attempt(store: RedisStore) -> None:
    await begun(store)
    executor = at_work(store, raising(Impossible("There is no service web.")))
    await executor.work(await next_claim(executor))
    operation = await ended(store)
    assert (operation.state, operation.sentence) == ("failed", "The snapshot failed: There is no service web.")
    assert operation.finished_at is not None


async def test_a_payload_that_cannot_be_read_fails_at_the_first_attempt(store: RedisStore) -> None:
    class Wanted(BaseModel):
        number: int

    async def work(_: Running) -> Transition:
        Wanted.model_validate_json(b'{"number": "secret"}')
        return decided()

    await begun(store)
    executor = at_work(store, work)
    await executor.work(await next_claim(executor))
    sentence = (await ended(store)).sentence
    assert sentence == "The snapshot failed: what it was asked to do cannot be read by this version (number)."


@pytest.mark.parametrize("error", [RuntimeError("a secret"), ConnectionResetError(104, "reset"), TimeoutError()])
async def test_what_may_pass_is_tried_five_times(store: RedisStore, error: Exception) -> None:
    await begun(store)
    executor = at_work(store, raising(error))
    for attempt in range(1, ATTEMPTS + 1):
        job = await next_claim(executor)
        assert job.attempt == attempt
        await executor.work(job)
    operation = await ended(store)
    assert operation.state == "failed"
    assert operation.sentence.startswith("The snapshot failed 5 times: ")
    assert "secret" not in operation.sentence


async def test_of_several_errors_at_once_the_first_is_told(store: RedisStore) -> None:
    await begun(store)
    group = ExceptionGroup("g", [ExceptionGroup("inner", [Impossible("The bucket is gone.")]), KeyError("k")])
    executor = at_work(store, raising(group))
    await executor.work(await next_claim(executor))
    assert (await ended(store)).sentence == "The snapshot failed: The bucket is gone."


async def test_a_job_whose_executors_die_is_given_up(store: RedisStore) -> None:
    await begun(store)
    dying = at_work(store, raising(AssertionError()), lease=0.001)
    for _ in range(ATTEMPTS):
        await next_claim(dying)
    last = at_work(store, raising(AssertionError("it is not tried again")))
    await last.work(await next_claim(last))
    assert (await ended(store)).sentence == "The snapshot gave up after 5 attempts."


async def test_a_cancelled_job_ends_its_operation(store: RedisStore) -> None:
    async def work(job: Running) -> Transition:
        await store.apply(Transition(None, lambda _: Decision(cancel_jobs=("j",))), cause="cancel")
        await job.check()
        return decided()

    await begun(store)
    executor = at_work(store, work)
    await executor.work(await next_claim(executor))
    operation = await ended(store)
    assert (operation.state, operation.sentence) == ("failed", "The snapshot was cancelled.")


async def test_whoever_cancels_a_job_may_end_its_operation_in_other_words(store: RedisStore) -> None:
    operation = await find_operation(store, "j")

    async def work(job: Running) -> Transition:
        record = operation.failed("Somebody else did it.", moment(0)).record if operation else {}
        await store.apply(Transition(None, lambda _: Decision(cancel_jobs=("j",), records=record)), cause="cancel")
        await job.check()
        return decided()

    await begun(store)
    operation = await find_operation(store, "j")
    executor = at_work(store, work)
    await executor.work(await next_claim(executor))
    assert (await ended(store)).sentence == "Somebody else did it."


async def test_the_executor_that_lost_its_lease_ends_nothing(store: RedisStore) -> None:
    await begun(store)
    slow = at_work(store, raising(Impossible("too late")), lease=0.001)
    first = await next_claim(slow)
    await next_claim(slow)
    await slow.work(first)
    operation = await find_operation(store, "j")
    assert operation is not None
    assert operation.state == "running"


async def test_a_command_whose_job_fails_for_good_is_answered_with_a_sentence(store: RedisStore) -> None:
    await store.apply(decided(jobs=(COMMAND.job("work", b""),)), cause="asked")
    executor = at_work(store, raising(Impossible("There is no service web.")))
    await executor.work(await next_claim(executor))
    ((_, fields),) = await store.redis.xrange(store.key("outbox"))
    answer = StepFinished.model_validate_json(fields[b"value"])
    assert (answer.verdict, answer.summary) == ("inconclusive", "capture-snapshot failed: There is no service web")


async def test_a_service_frees_what_the_job_had_held(store: RedisStore) -> None:
    def freed(job: FailedJob) -> Transition:
        return Transition("held", lambda _: Decision(state=f"free: {job.id} {job.why}".encode()))

    await begun(store)
    executor = at_work(store, raising(Impossible("No.")), failure=freed)
    await executor.work(await next_claim(executor))
    assert await store.load("held") == b"free: j failed: No"
    assert (await ended(store)).state == "failed"


@pytest.mark.parametrize("when", ["it is called", "it decides"])
async def test_a_fault_in_the_consequences_keeps_nobody_from_being_told(store: RedisStore, when: str) -> None:
    def faulty(_: FailedJob) -> Transition:
        if when == "it is called":
            raise RuntimeError(when)
        return Transition("held", lambda _: Decision(state=orjson.dumps(object())))

    await begun(store)
    executor = at_work(store, raising(Impossible("No.")), failure=faulty)
    await executor.work(await next_claim(executor))
    assert (await ended(store)).sentence == "The snapshot failed: No."
