"""What is too large to be published is told at once: by a dead letter, or by the answer to its command."""

from typing import Any

from contracts.base import caused_id
from contracts.envelope import Meta
from contracts.recovery import CaptureSnapshot
from contracts.results import StepFinished
from sandbox.virtual.redis import MemoryRedis
from services._chassis.commands import Command
from services._chassis.jobs import Executor, Running
from services._chassis.transition import Transition, decided
from tests.chassis.test_newer_state import CAPTURE, Old, Replica
from tests.kit import published


def huge(command: Command) -> Transition:
    return decided(command.passed("x" * 20_000))


async def test_a_message_whose_consequence_is_too_large_is_a_dead_letter_at_once() -> None:
    replica = Replica(MemoryRedis(), Old)

    async def handle(event: CaptureSnapshot, meta: Meta) -> Transition:
        return huge(Command.of(event, meta))

    replica.service.handlers[CaptureSnapshot] = handle
    await replica.take(CAPTURE, 17)
    (letter,) = await replica.letters()
    assert letter.reason == "failed"
    assert "step-finished.v1 was not published: it would have a text of more than 16,384 characters" in letter.detail


async def test_a_job_whose_answer_is_too_large_answers_so() -> None:
    replica = Replica(MemoryRedis(), Old)
    command = Command.to(CaptureSnapshot, CAPTURE.target, "run", "c")

    async def work(_: Running) -> Transition:
        return huge(command)

    executor = Executor(replica.store, {"huge": work}, lease=30, slots=1, readiness=replica.readiness)
    await replica.store.apply(decided(jobs=(command.job("huge", b""),)))
    job = await executor.claim()
    assert job is not None
    await executor.work(job)
    (answer,) = [envelope.event for envelope in published(replica.store)]
    assert isinstance(answer, StepFinished)
    assert "was not published" in answer.summary


async def test_an_outcome_of_usual_size_passes() -> None:
    replica: Any = Replica(MemoryRedis(), Old)
    command = Command.to(CaptureSnapshot, CAPTURE.target, "run", caused_id("a", "b"))
    await replica.store.apply(decided(command.passed("x" * 16_000)))
    assert len(published(replica.store)) == 1
