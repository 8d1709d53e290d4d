"""The chassis's consumer and poison: what a service cannot handle leaves its partition. On both brokers."""

import asyncio
import uuid
from typing import Any

import pytest

from contracts.base import Target
from contracts.dead_letter import DeadLettered
from contracts.envelope import Meta, from_message
from contracts.recovery import CaptureSnapshot
from contracts.topics import DEAD_LETTERS
from services._chassis.service import Service
from services._chassis.transition import Transition, decided
from tests.bus.harness import Bus
from tests.chassis.harness import Sent, command, send, serving

SERVICE = "recovery"


class Recovery:
    """It handles what can be handled, and fails at what is marked so."""

    def __init__(self, failing: str) -> None:
        self.heard: list[str] = []
        self._failing = failing

    async def capture(self, event: CaptureSnapshot, meta: Meta) -> Transition:
        if event.run_id == self._failing:
            raise RuntimeError
        self.heard.append(meta.id)
        return decided()

    def as_service(self) -> Service:
        return Service(SERVICE, handlers={CaptureSnapshot: self.capture})


async def test_poison_is_kept_as_it_came_and_the_partition_moves_on(
    bus: Bus, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services._chassis.consumer.ATTEMPTS", 2)
    name = uuid.uuid4().hex  # the topics are the product's own, and this broker may have seen other tests
    target = Target(account="123456789012", region="us-west-2", cluster=name, service="s")
    fine = CaptureSnapshot(target=target, run_id="run", purpose="before-change")
    good = [command(f"{name}-{number}", fine) for number in range(3)]
    topic, key, headers, value = good[0]
    poison: list[Sent] = [
        (topic, key, headers, b"\xff not json"),
        (topic, key, [*headers, ("ce_runid", None)], value),
        (topic, key, [("ce_id", b"\xff\x00")], value),
        (topic, key, headers, None),
        (topic, key, [*headers, ("large", b"x" * 500_000)], b"{"),
        command(f"{name}-fails", fine.model_copy(update={"run_id": "fails"})),
    ]
    recovery, letters = Recovery("fails"), await bus.consumer()
    async with serving(bus.bootstrap, redis, recovery.as_service()):
        # one key, and so one partition: each good one lies behind poison
        await send(bus.bootstrap, *poison[:3], good[1], *poison[3:], good[2])
        await bus.eventually(lambda: _done(recovery, good[2], redis), 40)
    assert recovery.heard == [_id(good[1]), _id(good[2])]
    letters.assign(bus.partitions(DEAD_LETTERS.name, DEAD_LETTERS.partitions))
    kept = await _letters(letters, target)
    assert [(one.key, list(one.headers), one.value) for one in kept] == [one[1:] for one in poison]
    assert [one.reason for one in kept] == ["invalid"] * 5 + ["failed"]
    assert await bus.lags(topic, SERVICE, {0})

    async with serving(bus.bootstrap, redis, recovery.as_service()):
        await send(bus.bootstrap, good[0])
        await bus.eventually(lambda: _done(recovery, good[0], redis), 40)
    assert await _letters(letters, target) == []  # none a second time


async def _done(recovery: Recovery, last: Sent, redis: Any) -> bool:
    """Whether the last message was handled, and all that came of it is on the bus."""
    return recovery.heard[-1:] == [_id(last)] and not await redis.xlen(f"{{{SERVICE}}}:outbox")


def _id(message: Sent) -> str:
    return str(dict(message[2])["ce_id"].decode())


async def _letters(consumer: Any, target: Target) -> list[DeadLettered]:
    """The letters about ``target`` up to the present end, in the order in which their messages lay."""
    found: list[DeadLettered] = []
    for place, end in (await consumer.end_offsets(consumer.assignment())).items():
        async with asyncio.timeout(40):
            while await consumer.position(place) < end:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += [event for event in map(_letter, records) if event and event.key == str(target).encode()]
    return sorted(found, key=lambda letter: letter.offset)


def _letter(record: Any) -> DeadLettered | None:
    event = from_message(record.headers, record.value).event
    return event if isinstance(event, DeadLettered) else None
