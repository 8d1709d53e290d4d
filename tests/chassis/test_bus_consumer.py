"""A service on the dev broker: a command is done once and answered once more; the outbox is never blocked."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka.partitioner import murmur2

from contracts.base import Target, caused_id
from contracts.envelope import Meta, from_message
from contracts.gates import Verdict
from contracts.recovery import CaptureSnapshot
from contracts.results import StepFinished
from contracts.state import NewerState
from contracts.topics import PARTITIONS
from services._chassis.clock import Pace, PacedClock
from services._chassis.jobs import Running
from services._chassis.service import Service
from services._chassis.store import RedisStore
from services._chassis.transition import Emit, Job, Transition, decided
from tests.chassis.harness import TARGET, command, event_of, reading, send, serving, until


@dataclass
class Recorder:
    """A recovery that only records what it has handled."""

    captured: list[str] = field(default_factory=list)
    worked: list[str] = field(default_factory=list)

    async def capture(self, _: CaptureSnapshot, meta: Meta) -> Transition:
        self.captured.append(meta.id)
        return decided(jobs=(Job(meta.id, "capture"),))

    async def work(self, job: Running) -> Transition:
        self.worked.append(job.id)
        done = StepFinished(
            target=TARGET,
            run_id="run",
            command_id=job.id,
            step="capture-snapshot",
            verdict=Verdict.PASS,
            summary="done",
        )
        return decided(Emit(done, caused_id(job.id, "finished")))


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
async def running(kafka: str, redis: Any, recorder: Recorder) -> AsyncIterator[str]:
    service = Service("recovery", handlers={CaptureSnapshot: recorder.capture}, jobs={"capture": recorder.work})
    async with serving(kafka, redis, service):
        yield kafka


CAPTURE = CaptureSnapshot(target=TARGET, run_id="run", purpose="before-change")


async def test_a_repeated_command_is_done_once_and_answered_again(running: str, recorder: Recorder) -> None:
    async with reading(running, "phase.results.v1") as take:
        await send(running, command("c1", CAPTURE))
        first = (await take(1))[0]
        await send(running, command("c1", CAPTURE))
        second = (await take(1))[0]
    assert recorder.worked == ["c1"]
    assert first.value == second.value
    assert dict(first.headers)["ce_id"] == dict(second.headers)["ce_id"]
    answer = from_message(first.headers, first.value)
    assert answer.meta.cause_id == "c1"
    assert isinstance(answer.event, StepFinished)


async def test_what_kafka_cannot_take_does_not_block_the_outbox(running: str, redis: Any, recorder: Recorder) -> None:
    store = RedisStore(redis, "recovery", PacedClock(Pace()))
    huge = {"topic": "phase.results.v1", "key": str(TARGET), "headers": "[]", "value": "x" * 2_000_000}
    async with reading(running, "phase.results.v1") as take:
        await redis.xadd(store.key("outbox"), huge)
        await send(running, command("c8", CAPTURE))
        answer = event_of((await take(1))[0])
    assert isinstance(answer, StepFinished)
    assert answer.command_id == "c8"
    assert await redis.xlen(store.key("outbox-refused")) == 1


async def test_a_message_that_waits_for_a_newer_replica_holds_up_its_own_partition_only(
    kafka: str, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services._chassis.consumer.NEWER_STATE_AGAIN", 0.2)
    newer, handled, tries = True, list[str](), list[str]()

    async def handle(event: CaptureSnapshot, meta: Meta) -> Transition:
        if event.target == TARGET:
            tries.append(meta.id)
            if newer:
                raise NewerState("Course is of version 2, and this is version 1")
        handled.append(meta.id)
        return decided()

    others = [TARGET.model_copy(update={"service": f"s{number}"}) for number in range(30)]
    async with serving(kafka, redis, Service("recovery", handlers={CaptureSnapshot: handle})):
        await send(kafka, command("c1", CAPTURE), command("c2", CAPTURE))
        await until(lambda: tries.count("c1") >= 2)
        elsewhere = [target for target in others if partition_of(target) != partition_of(TARGET)]
        for number, target in enumerate(elsewhere):
            await send(kafka, command(f"d{number}", CAPTURE.model_copy(update={"target": target})))
        await until(lambda: len(handled) == len(elsewhere))
        assert set(tries) == {"c1"}, "nothing behind it is read"
        newer = False
        await until(lambda: len(handled) == len(elsewhere) + 2)
    assert handled[-2:] == ["c1", "c2"]
    store = RedisStore(redis, "recovery", PacedClock(Pace()))
    assert await redis.xlen(store.key("outbox")) == 0


def partition_of(target: Target) -> int:
    """Return the partition into which every writer puts a target's messages."""
    return int(murmur2(str(target).encode()) & 0x7FFFFFFF) % PARTITIONS
