"""Requests that cannot be read: whoever sent one is told, and no run is touched by it."""

import asyncio
import json
from typing import Any

import pytest
from aiokafka.structs import ConsumerRecord

from contracts.deployment import Cause, DeploymentFinished, Outcome
from contracts.envelope import from_message
from contracts.topics import DEPLOYMENT_REQUESTS, Party
from sandbox.virtual.bus import MemoryBus, MemoryTransport
from sandbox.virtual.redis import MemoryRedis
from services._chassis.aws import Aws
from services._chassis.aws_connection import AwsConnection
from services._chassis.aws_limits import AwsLimits
from services._chassis.consumer import Consumer
from services._chassis.records import Record
from services._chassis.relay import Relay
from services._chassis.service import Platform
from services._chassis.store import RedisStore
from services._chassis.tasks import end
from services._chassis.transition import Transition
from services.orchestrator.app import create_app
from services.orchestrator.domain.course import Course, course_key
from services.orchestrator.domain.replay import end_key
from services.orchestrator.domain.unreadable import name_of, refusal_of
from services.orchestrator.settings import Settings
from tests.kit import FakeClock
from tests.services.orchestrator.harness import START, TARGET, run_id_of

KEY = str(TARGET).encode()
HEADERS = {
    "ce_specversion": b"1.0",
    "ce_type": b"deploy-requested.v1",
    "ce_id": b"1",
    "ce_source": b"ci",
    "ce_time": b"2025-11-24T16:00:00Z",
}
BODY = {
    "target": TARGET.model_dump(),
    "change": {"kind": "image", "reference": "shop/web:2"},
    "actor": "ada",
    "expires_at": "2099-01-01T00:00:00Z",
}
SECRET = "hunter2"
BAD = BODY | {"change": {"kind": "image", "reference": 7, "password": SECRET}}


def body(content: Any) -> bytes:
    return json.dumps(content).encode()


def refused(
    headers: dict[str, bytes | None], value: bytes | None, key: bytes | None = KEY
) -> DeploymentFinished | None:
    name = name_of(headers.items(), value, key)
    return None if name is None else refusal_of(name.target, name.run_id, "it is bad")


@pytest.mark.parametrize(
    ("headers", "value", "key"),
    [
        (HEADERS, body(BAD), None),
        (HEADERS, b"no JSON", KEY),
        (HEADERS, None, KEY),
        (HEADERS, b"[]", KEY),
        (HEADERS, b"[" * 100_000, KEY),
        (HEADERS | {"ce_type": b"deploy-requested.v9"}, body(BODY), None),
        ({"ce_id": b"1", "ce_source": b"ci"}, body(BODY), None),
        (HEADERS | {"ce_time": None, "note": b"\xff"}, body(BODY), None),
    ],
)
def test_who_asked_is_told(headers: dict[str, bytes | None], value: bytes | None, key: bytes | None) -> None:
    told = refused(headers, value, key)
    assert told is not None
    assert (told.run_id, told.target, told.outcome, told.cause) == (run_id_of("1"), TARGET, Outcome.FAILED, Cause.USAGE)
    assert "it is bad" in told.reason


@pytest.mark.parametrize(
    ("headers", "value", "key"),
    [
        (HEADERS | {"ce_id": b""}, body(BODY), KEY),
        (HEADERS | {"ce_source": None}, body(BODY), KEY),
        (HEADERS | {"ce_source": b"\xc3\x28"}, body(BODY), KEY),
        (HEADERS | {"ce_id": b"x" * 5000}, body(BODY), KEY),
        (HEADERS | {"ce_type": b"abort-requested.v1"}, body(BODY), KEY),
        (HEADERS, body({"target": {"account": "x"}}), b"bad-1"),
        (HEADERS, b"{}", None),
    ],
)
def test_without_a_run_or_a_target_nobody_can_be_told(
    headers: dict[str, bytes | None], value: bytes | None, key: bytes | None
) -> None:
    assert refused(headers, value, key) is None


class Orchestrator:
    """The service as it is, on a bus and a Redis in memory."""

    def __init__(self) -> None:
        clock = FakeClock(START)
        self.bus, self.redis = MemoryBus(), MemoryRedis(clock.now)
        self.store = RedisStore(self.redis, Party.ORCHESTRATOR, clock)
        settings = Settings(aws_account=TARGET.account, aws_region=TARGET.region)
        aws = Aws(AwsConnection(TARGET.region, AwsLimits(answer=1, tries=1)), Party.ORCHESTRATOR)
        service = create_app(settings, Platform(self.store, clock, aws))
        self.consumer = Consumer(service, self.store, MemoryTransport(self.bus, service.name))
        self.read = 0

    async def reads(self, headers: dict[str, bytes], value: bytes) -> None:
        self.read += 1
        record: ConsumerRecord[Any, Any] = ConsumerRecord(
            DEPLOYMENT_REQUESTS.name, 0, self.read, 0, 0, KEY, value, None, len(KEY), len(value), (*headers.items(),)
        )
        await self.consumer.consume(record)

    async def said(self) -> list[Any]:
        """All events so far, in their order."""
        relay = Relay(self.redis, self.store.key("outbox"), "orchestrator", self.bus.publish)
        relaying = asyncio.create_task(relay.run())
        for _ in range(200):
            await asyncio.sleep(0)
        await end([relaying])
        records: list[Record] = [one for topic in self.bus.topics.values() for one in topic]
        return [from_message(one.headers, one.value).event for one in records]

    async def ends(self) -> list[DeploymentFinished]:
        return [event for event in await self.said() if isinstance(event, DeploymentFinished)]


async def test_a_request_that_cannot_be_read_ends_at_once_and_once() -> None:
    orchestrator = Orchestrator()
    await orchestrator.reads(HEADERS, body(BAD))
    await orchestrator.reads(HEADERS, body(BAD))
    (told,) = await orchestrator.ends()
    assert (told.run_id, told.cause) == (run_id_of("1"), Cause.USAGE)
    assert "change.image.reference" in told.reason
    assert SECRET not in told.reason
    assert [type(event).__name__ for event in await orchestrator.said()].count("DeadLettered") == 2
    await orchestrator.reads(HEADERS, body(BODY))
    assert len(await orchestrator.ends()) == 1, "its id has had its one end"
    course = Course.from_bytes(await orchestrator.store.load(course_key(TARGET)))
    assert (course.active, course.queue) == (None, ())


async def test_a_run_that_there_is_is_not_ended_by_it() -> None:
    orchestrator = Orchestrator()
    await orchestrator.reads(HEADERS, body(BODY))
    await orchestrator.reads(HEADERS, body(BAD))
    assert await orchestrator.ends() == []
    elsewhere = BAD | {"target": TARGET.model_dump() | {"service": "other"}}
    await orchestrator.reads(HEADERS, body(elsewhere))
    (told,) = await orchestrator.ends()
    assert (told.target.service, told.run_id != run_id_of("1")) == ("other", True), "it is another target's own run"
    assert await orchestrator.store.record(end_key(run_id_of("1"))) is None
    assert Course.from_bytes(await orchestrator.store.load(course_key(TARGET))).active is not None


async def test_a_state_that_cannot_be_read_does_not_keep_the_letter_from_being_stored() -> None:
    orchestrator = Orchestrator()
    await orchestrator.reads(HEADERS, body(BODY))

    async def broken(*_: Any) -> Transition:
        return Transition(None, lambda _: 1 / 0)  # type: ignore[return-value,arg-type]  # a fault of ours

    orchestrator.consumer._service.refusals[DEPLOYMENT_REQUESTS.name] = broken
    await orchestrator.reads(HEADERS | {"ce_id": b"2"}, body(BAD))
    assert [type(event).__name__ for event in await orchestrator.said()].count("DeadLettered") == 1
