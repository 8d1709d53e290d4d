"""A service on the dev broker: answered once, dead letters once, poison lets the partition move on."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from contracts.base import Target, caused_id
from contracts.dead_letter import DeadLettered
from contracts.envelope import Envelope, Meta, from_message
from contracts.gates import Verdict
from contracts.recovery import Arm, CaptureSnapshot
from contracts.results import StepFinished
from services._chassis.bus import create_broker, publisher, subscribe
from services._chassis.clock import Pace, PacedClock
from services._chassis.jobs import Executor, Running
from services._chassis.relay import Relay
from services._chassis.run import end
from services._chassis.service import Service
from services._chassis.settings import Settings
from services._chassis.store import RedisStore
from services._chassis.topics import ensure_topics
from services._chassis.transition import Emit, Job, Transition, decided
from services._chassis.watchdog import Positions

TARGET = Target(account="123456789012", region="us-west-2", cluster="c", service="s")


@dataclass
class Recorder:
    """A recovery that only remembers."""

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

    async def fail(self, event: Arm, _: Meta) -> Transition:
        raise RuntimeError(event.snapshot_id)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
async def running(kafka: str, redis: Any, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    monkeypatch.setattr("services._chassis.bus.ATTEMPTS", 2)
    await ensure_topics(kafka, 1)
    store = RedisStore(redis, "recovery", PacedClock(Pace()))
    service = Service(
        "recovery",
        handlers={CaptureSnapshot: recorder.capture, Arm: recorder.fail},
        jobs={"capture": recorder.work},
    )
    settings = Settings(kafka_bootstrap_servers=kafka)
    broker = create_broker(settings, "test")
    subscribe(broker, service, store, Positions(redis, store.key("positions"), "test"), settings)
    await broker.start()
    loops: tuple[Callable[[], Awaitable[None]], ...] = (
        Relay(redis, store.key("outbox"), "test", publisher(broker)).run,
        Executor(store, service.jobs, lease=30, slots=2).run,
    )
    tasks = [asyncio.ensure_future(loop()) for loop in loops]
    yield kafka
    assert not await end(tasks, 20)
    await asyncio.wait_for(broker.stop(), 20)


@contextlib.asynccontextmanager
async def reading(kafka: str, *topics: str) -> AsyncIterator[Callable[[int], Awaitable[list[Any]]]]:
    consumer = AIOKafkaConsumer(*topics, bootstrap_servers=kafka, auto_offset_reset="earliest")
    await consumer.start()

    async def take(number: int) -> list[Any]:
        async with asyncio.timeout(20):
            return [await consumer.getone() for _ in range(number)]

    try:
        yield take
    finally:
        await consumer.stop()


async def send(kafka: str, *messages: tuple[str, bytes, list[tuple[str, Any]], bytes | None]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    for topic, key, headers, value in messages:
        await producer.send_and_wait(topic, value, key=key, headers=headers)
    await producer.stop()


def command(id_: str, event: Any) -> tuple[str, bytes, list[tuple[str, Any]], bytes]:
    meta = Meta(id_, "surefoot/orchestrator", datetime.now(UTC), run_id="run")
    message = Envelope(meta, event).to_message()
    return message.topic, message.key, list(message.headers), message.value


CAPTURE = CaptureSnapshot(target=TARGET, run_id="run", purpose="before-change")
ARM = Arm(target=TARGET, run_id="run", snapshot_id="hunter2", expires_at=datetime.now(UTC))


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


async def test_poison_goes_to_the_dead_letters_and_the_partition_moves_on(running: str, recorder: Recorder) -> None:
    topic, key, headers, value = command("c2", CAPTURE)
    poison: list[tuple[str, bytes, list[tuple[str, Any]], bytes | None]] = [
        (topic, key, [("ce_id", b"\xff")], value),
        (topic, key, [("ce_id", None)], value),
        (topic, key, headers, b"\xff not json"),
        (topic, key, headers, b'{"run_id": "hunter2"}'),
        (topic, key, headers, None),
        (topic, key, [], b""),
        command("c3", ARM),  # its handler fails
    ]
    async with reading(running, "dead-letter.v1") as take:
        await send(running, *poison, command("c2", CAPTURE))
        letters = [from_message(record.headers, record.value).event for record in await take(len(poison))]
    async with asyncio.timeout(10):
        while recorder.worked != ["c2"]:  # noqa: ASYNC110  the condition is the test's
            await asyncio.sleep(0.01)
    assert all(isinstance(letter, DeadLettered) for letter in letters)
    by_offset = sorted((letter.offset, letter.value) for letter in letters if isinstance(letter, DeadLettered))
    assert [original for _, original in by_offset] == [message[3] for message in poison]
    reasons = sorted(letter.reason for letter in letters if isinstance(letter, DeadLettered))
    assert reasons == ["failed"] + ["invalid"] * 6
    assert not any("hunter2" in letter.detail for letter in letters if isinstance(letter, DeadLettered))


async def test_a_message_too_large_for_a_whole_dead_letter_stops_nothing(running: str, recorder: Recorder) -> None:
    topic, key, headers, _ = command("c5", CAPTURE)
    async with reading(running, "dead-letter.v1", "phase.results.v1") as take:
        await send(running, (topic, key, headers, b"x" * 900_000))
        letter = from_message(*_parts((await take(1))[0])).event
        await send(running, command("c6", CAPTURE))
        answer = from_message(*_parts((await take(1))[0])).event
    assert isinstance(letter, DeadLettered)
    assert letter.value is not None
    assert (letter.cut, letter.value_bytes, set(letter.value)) == (True, 900_000, {ord("x")})
    assert 500_000 < len(letter.value) < 600_000
    assert isinstance(answer, StepFinished)


async def test_what_kafka_cannot_take_does_not_block_the_outbox(running: str, redis: Any, recorder: Recorder) -> None:
    store = RedisStore(redis, "recovery", PacedClock(Pace()))
    huge = StepFinished(
        target=TARGET,
        run_id="run",
        command_id="c7",
        step="capture-snapshot",
        verdict=Verdict.PASS,
        summary="x" * 2_000_000,
    )
    async with reading(running, "phase.results.v1") as take:
        await store.apply(decided(Emit(huge, "huge")), cause="huge")
        await send(running, command("c8", CAPTURE))
        answer = from_message(*_parts((await take(1))[0])).event
    assert isinstance(answer, StepFinished)
    assert answer.command_id == "c8"
    assert await redis.xlen(store.key("outbox-refused")) == 1


def _parts(record: Any) -> tuple[Any, Any]:
    return record.headers, record.value


async def test_an_unknown_command_is_answered_and_kept(running: str) -> None:
    topic, key, headers, value = command("c4", CAPTURE)
    unknown = [(name, b"levitate.v1" if name == "ce_type" else text) for name, text in headers]
    async with reading(running, "phase.results.v1", "dead-letter.v1") as take:
        await send(running, (topic, key, unknown, value))
        told = [from_message(record.headers, record.value).event for record in await take(2)]
    answer = next(event for event in told if isinstance(event, StepFinished))
    letter = next(event for event in told if isinstance(event, DeadLettered))
    assert (answer.cause, answer.command_id, answer.step) == ("unsupported", "c4", "levitate")
    assert letter.reason == "unsupported"
