"""A handler that the policy refuses is not tried again: a command is answered at once, an event is a dead letter."""

from typing import Any

import orjson
import pytest
from aiokafka.structs import ConsumerRecord

from contracts.base import Event
from contracts.dead_letter import DeadLettered
from contracts.envelope import Meta, from_message
from contracts.recovery import CaptureSnapshot, RollbackStarted
from contracts.results import StepFinished
from sandbox.virtual.redis import MemoryRedis
from services._chassis import consumer as chassis
from services._chassis.aws import AwsError
from services._chassis.catch_up import CatchUp
from services._chassis.clock import Pace, PacedClock
from services._chassis.consumer import Consumer
from services._chassis.service import Service
from services._chassis.store import RedisStore
from services._chassis.transition import Decision, Transition
from services._policy.policies import Refused
from tests.chassis.harness import TARGET, command

CAPTURE = CaptureSnapshot(target=TARGET, run_id="run", purpose="before-change")
STARTED = RollbackStarted(target=TARGET, run_id="run", rollback_id="r", trigger="t", snapshot_id="s")
WHY = "c/s is not listed in the policy, which refuses services that it does not list"


class Refusing:
    """A service whose handlers raise, when they are called or when they decide."""

    def __init__(self, error: Exception, when: str = "it is called") -> None:
        self.error, self.when = error, when
        self.calls = 0
        self.store = RedisStore(MemoryRedis(), "recovery", PacedClock(Pace()))
        handlers: Any = {CaptureSnapshot: self.handle, RollbackStarted: self.handle}
        self.consumer = Consumer(Service("recovery", handlers), self.store, CatchUp(self.store))

    async def handle(self, _: Event, __: Meta) -> Transition:
        self.calls += 1
        if self.when == "it is called":
            raise self.error
        return Transition("state", self.decide)

    def decide(self, _: bytes | None) -> Decision:
        raise self.error

    async def take(self, event: Event, offset: int = 0) -> None:
        topic, key, headers, value = command("c", event)
        await self.consumer.consume(ConsumerRecord(topic, 3, offset, 0, 0, key, value, None, 0, 0, tuple(headers)))

    async def published(self) -> list[Any]:
        entries = await self.store.redis.xrange(self.store.key("outbox"))
        return [
            from_message(
                [(name, value.encode()) for name, value in orjson.loads(fields[b"headers"])], fields[b"value"]
            ).event
            for _, fields in entries
        ]


@pytest.mark.parametrize("when", ["it is called", "it decides"])
async def test_a_command_that_the_policy_refuses_has_its_answer_at_once(when: str) -> None:
    service = Refusing(Refused(WHY), when)
    await service.take(CAPTURE)
    assert service.calls == 1
    (answer,) = await service.published()
    assert isinstance(answer, StepFinished)
    assert (answer.verdict, answer.cause, answer.summary) == ("inconclusive", "refused", f"{WHY}.")
    assert (answer.command_id, answer.run_id, answer.step) == ("c", "run", "capture-snapshot")


async def test_a_command_that_comes_again_gets_the_same_answer() -> None:
    service = Refusing(Refused(WHY))
    await service.take(CAPTURE)
    await service.take(CAPTURE, 1)
    first, again = await service.published()
    assert first == again


async def test_an_event_that_the_policy_refuses_is_a_dead_letter_at_once() -> None:
    service = Refusing(Refused(WHY))
    await service.take(STARTED)
    assert service.calls == 1
    (letter,) = [event for event in await service.published() if isinstance(event, DeadLettered)]
    assert (letter.reason, letter.detail) == ("failed", f"failed: {WHY}")


@pytest.mark.parametrize(("temporary", "calls"), [(False, 1), (True, 3)])
async def test_an_error_that_will_not_pass_is_not_tried_again(
    temporary: bool, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chassis, "ATTEMPTS", 3)
    monkeypatch.setattr(chassis, "LONGEST_WAIT", 0.0)
    service = Refusing(AwsError("ECS refused it", code="X", temporary=temporary))
    await service.take(STARTED)
    assert service.calls == calls
    assert [event.reason for event in await service.published() if isinstance(event, DeadLettered)] == ["failed"]
