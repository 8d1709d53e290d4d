"""What no service can handle is kept as it came, once for each group, and the partition moves on."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from aiokafka.structs import ConsumerRecord
from redis.exceptions import ConnectionError as RedisIsAway

from contracts.base import caused_id
from contracts.dead_letter import DeadLettered, letter_id
from contracts.deployment import AbortRequested
from contracts.envelope import Meta, from_message
from contracts.monitor import WarningAlert
from contracts.recovery import Arm, CaptureSnapshot
from contracts.results import StepFinished
from services._chassis.catch_up import CatchUp
from services._chassis.clock import Pace, PacedClock
from services._chassis.consumer import Consumer
from services._chassis.service import Service
from services._chassis.store import RedisStore
from services._chassis.transition import Emit, Transition, decided
from tests.chassis.harness import TARGET, Sent, command, event_of, reading, send, serving, until

CAPTURE = CaptureSnapshot(target=TARGET, run_id="run", purpose="before-change")
ARM = Arm(target=TARGET, run_id="run", snapshot_id="hunter2", expires_at=datetime.now(UTC))
ABORT = AbortRequested(target=TARGET, run_id="run", actor="me")


@dataclass
class Recorder:
    """A service that records the ids of the messages that it handles, and whose ``arm`` fails."""

    handled: list[str] = field(default_factory=list)
    broken: bool = True
    fault: Exception = field(default_factory=lambda: RuntimeError("hunter2"))

    async def handle(self, _: Any, meta: Meta) -> Transition:
        self.handled.append(meta.id)
        return decided()

    async def arm(self, _: Arm, meta: Meta) -> Transition:
        if self.broken:
            raise self.fault
        return await self.handle(_, meta)

    def as_service(self, name: str = "recovery") -> Service:
        return Service(name, handlers={CaptureSnapshot: self.handle, Arm: self.arm, AbortRequested: self.handle})


@dataclass
class Desk:
    """A consumer without Kafka, with the outbox that it writes."""

    redis: Any
    recorder: Recorder
    name: str = "recovery"
    pace: Pace = field(default_factory=Pace)

    def __post_init__(self) -> None:
        self.store = RedisStore(self.redis, self.name, PacedClock(self.pace))
        self.progress = CatchUp(self.store)
        self.consumer = Consumer(self.recorder.as_service(self.name), self.store, self.progress)

    async def take(self, message: Sent, offset: int = 17) -> None:
        topic, key, headers, value = message
        await self.consumer.consume(ConsumerRecord(topic, 3, offset, 0, 0, key, value, None, 0, 0, tuple(headers)))

    async def published(self) -> list[Any]:
        entries = await self.redis.xrange(self.store.key("outbox"))
        return [from_message(_headers(fields[b"headers"]), fields[b"value"]).event for _, fields in entries]

    async def sizes(self) -> list[int]:
        """Return the size in bytes of each message in the outbox."""
        entries = await self.redis.xrange(self.store.key("outbox"))
        return [sum(map(len, fields.values())) for _, fields in entries]

    async def letter(self) -> DeadLettered:
        (letter,) = [event for event in await self.published() if isinstance(event, DeadLettered)]
        return letter


def _headers(text: bytes) -> list[tuple[str, bytes]]:
    return [(name, value.encode()) for name, value in orjson.loads(text)]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services._chassis.consumer.ATTEMPTS", 2)
    monkeypatch.setattr("services._chassis.consumer.BROKEN_STORE_SECONDS", 0)


@pytest.fixture
def desk(redis: Any) -> Desk:
    return Desk(redis, Recorder())


TOPIC, KEY, HEADERS, VALUE = command("c2", CAPTURE)
HOUR = timedelta(hours=1)


def but(headers: Sequence[tuple[str, Any]], **changed: bytes | None) -> list[tuple[str, Any]]:
    return [*(dict(headers) | changed).items()]


INVALID: dict[str, Sent] = {
    "header without text": (TOPIC, KEY, [("ce_id", b"\xff")], VALUE),
    "null header": (TOPIC, KEY, but(HEADERS, ce_runid=None), VALUE),
    "foreign header without text": (TOPIC, KEY, but(HEADERS, x=b"\xff\xfe"), VALUE),
    "no headers": (TOPIC, KEY, [], VALUE),
    "no time": (TOPIC, KEY, but(HEADERS, ce_time=b""), VALUE),
    "no expirytime": (TOPIC, KEY, but(HEADERS, ce_expirytime=b"soon"), VALUE),
    "bytes": (TOPIC, KEY, HEADERS, b"\xff\x00 not json"),
    "empty": (TOPIC, KEY, HEADERS, b""),
    "null value": (TOPIC, KEY, HEADERS, None),
    "neither key nor value": (TOPIC, None, HEADERS, None),
    "wrong type of field": (TOPIC, KEY, HEADERS, b'{"run_id": {"password": "hunter2"}}'),
    "not an object": (TOPIC, KEY, HEADERS, b'["hunter2"]'),
    "another contract": (TOPIC, KEY, HEADERS, b'{"target": "hunter2", "run_id": "run", "purpose": "hunter2"}'),
    "another topic": ("alerts.critical.v1", KEY, HEADERS, VALUE),
    "key without text": (TOPIC, b"\xff", HEADERS, b"{}"),
}


@pytest.mark.parametrize("kind", INVALID)
async def test_what_is_invalid_is_kept_as_it_came(desk: Desk, kind: str) -> None:
    message = INVALID[kind]
    await desk.take(message)
    await desk.take(message)  # redelivered
    letter = await desk.letter()
    assert (letter.topic, letter.partition, letter.offset, letter.group) == (message[0], 3, 17, "recovery")
    assert (letter.key, list(letter.headers), letter.value) == message[1:]
    assert (letter.reason, letter.cut, letter.replay_of) == ("invalid", False, None)
    assert letter.value_bytes == (None if message[3] is None else len(message[3]))
    assert letter.detail
    assert "hunter2" not in letter.detail
    assert letter_id(letter) == caused_id(f"{message[0]}/3/17", "recovery")
    assert desk.recorder.handled == []
    await desk.take(command("c3", CAPTURE), 18)
    assert desk.recorder.handled == ["c3"]


OVERSIZED: dict[str, Sent] = {
    "value": (TOPIC, KEY, HEADERS, b"x" * 1_000_000),
    "headers": (TOPIC, KEY, [*HEADERS, ("big", b"x" * 900_000)], b"{"),
    "many headers": (TOPIC, KEY, [(f"\x00{number}", None) for number in range(80_000)], VALUE),
    "long names": (TOPIC, KEY, [("\x00" * 1000, None)] * 550, VALUE),
    "name of a header": (TOPIC, KEY, [("\x00" * 900_000, None)], VALUE),
    "key": (TOPIC, b"\xff" * 900_000, HEADERS, b"{"),
    "letter that it came from": (TOPIC, KEY, [("surefoot_letter", b"x" * 500_000)], b"x" * 400_000),
}


@pytest.mark.parametrize("kind", OVERSIZED)
async def test_what_is_too_large_says_so_and_fits_into_kafka(desk: Desk, kind: str) -> None:
    _, key, headers, value = OVERSIZED[kind]
    assert value is not None
    await desk.take(OVERSIZED[kind])
    letter = await desk.letter()
    assert (letter.cut, letter.value_bytes) == (True, len(value))
    assert key is not None
    assert key.startswith(letter.key or b"")
    assert value.startswith(letter.value or b"")
    assert headers[: len(letter.headers)] == list(letter.headers)
    assert max(await desk.sizes()) < 2**20 - 2_000


async def test_half_a_megabyte_is_kept_whole(desk: Desk) -> None:
    await desk.take((TOPIC, KEY, HEADERS, b"x" * 500_000))
    letter = await desk.letter()
    assert (letter.cut, letter.value) == (False, b"x" * 500_000)


async def test_each_group_has_its_own_letter(desk: Desk, redis: Any) -> None:
    other = Desk(redis, Recorder(), "orchestrator")
    message = ("alerts.critical.v1", KEY, HEADERS, b"{}")
    await desk.take(message)
    await other.take(message)
    letters = [await desk.letter(), await other.letter()]
    assert [letter.group for letter in letters] == ["recovery", "orchestrator"]
    assert len({letter_id(letter) for letter in letters}) == 2


async def test_an_unknown_event_is_counted_and_skipped(desk: Desk) -> None:
    unknown = ("alerts.critical.v1", KEY, but(HEADERS, ce_type=b"aurora-seen.v1"), b"\xff")
    await desk.take(unknown)
    await desk.take(unknown, 18)
    assert await desk.published() == []
    await desk.consumer._unhandled.tally.flush()
    assert await desk.redis.hgetall("{recovery}:counters") == {b"skipped:alerts.critical.v1": b"2"}


@pytest.mark.parametrize("type_", ["levitate.v1", "disarm.v1"])
async def test_an_unknown_command_is_answered_and_kept(desk: Desk, type_: str) -> None:
    value = command("c2", ABORT)[3]  # fits disarm.v1, which nobody handles here
    await desk.take((TOPIC, KEY, but(HEADERS, ce_type=type_.encode()), value))
    letter, answer = await desk.published()
    assert letter.reason == "unsupported"
    assert isinstance(answer, StepFinished)
    assert (answer.cause, answer.command_id, answer.step) == ("unsupported", "c2", type_.removesuffix(".v1"))


async def test_an_unknown_request_is_kept_and_nobody_answers_it(redis: Any) -> None:
    orchestrator = Desk(redis, Recorder(), "orchestrator")
    topic, key, headers, value = command("r1", ABORT)
    await orchestrator.take((topic, key, but(headers, ce_type=b"levitate.v1"), value))
    (letter,) = await orchestrator.published()
    assert (letter.reason, letter.topic) == ("unsupported", "deployment.requests.v1")


async def test_what_has_expired_is_not_done(desk: Desk) -> None:
    await desk.take(command("c2", CAPTURE, expires_at=datetime.now(UTC)))
    assert desk.recorder.handled == []
    assert (await desk.letter()).reason == "expired"


async def test_what_was_done_in_time_and_comes_again_is_no_dead_letter(desk: Desk) -> None:
    soon = command("c2", CAPTURE, expires_at=datetime.now(UTC) + HOUR)
    await desk.take(soon)
    late = Desk(desk.redis, desk.recorder, pace=Pace(2.0, datetime.now(UTC).timestamp() - 3600))
    assert late.store.clock.now() > datetime.now(UTC).timestamp() + 3000
    # the same moment on the wall is the same moment of product time, at whatever pace
    await late.take(command("c3", CAPTURE, expires_at=datetime.now(UTC) + HOUR))
    assert desk.recorder.handled == ["c2", "c3"]
    past = but(soon[2], ce_expirytime=b"2026-01-01T00:00:00Z")
    await desk.take((soon[0], soon[1], past, soon[3]))
    assert await desk.published() == []


async def test_what_nobody_here_handles_cannot_expire(desk: Desk) -> None:
    topic, key, headers, value = command("r1", ABORT, expires_at=datetime.now(UTC))
    service = Service("recovery", handlers={})
    consumer = Consumer(service, desk.store, desk.progress)
    await consumer.consume(ConsumerRecord(topic, 3, 1, 0, 0, key, value, None, 0, 0, tuple(headers)))
    assert await desk.published() == []


async def test_what_failed_to_the_end_warns(desk: Desk) -> None:
    await desk.take(command("c2", ARM))
    letter, alert = await desk.published()
    detail = "failed 2 times: an unexpected error (RuntimeError), which the log has in full"
    assert (letter.reason, letter.detail) == ("failed", detail)
    assert isinstance(alert, WarningAlert)
    assert (alert.rule, alert.state, alert.target) == ("dead-letter", "raised", TARGET)
    assert letter_id(letter) in alert.detail
    assert "hunter2" not in alert.detail


async def test_without_a_target_nobody_is_warned(desk: Desk) -> None:
    topic, _key, headers, value = command("c2", ARM)
    await desk.take((topic, b"elsewhere", headers, value))
    assert [type(event) for event in await desk.published()] == [DeadLettered]


async def test_without_the_store_the_message_is_no_dead_letter(desk: Desk) -> None:
    desk.recorder.fault = RedisIsAway("gone")
    with pytest.raises(RedisIsAway):
        await desk.take(command("c2", ARM))
    assert await desk.published() == []


async def test_a_replay_is_for_its_group_and_says_what_it_replays(desk: Desk, redis: Any) -> None:
    await desk.take(command("c2", ARM))
    first = await desk.letter()
    again: Sent = (TOPIC, KEY, list(first.replay_headers), first.value)
    other = Desk(redis, Recorder(), "orchestrator")
    await other.take(again, 18)
    assert (await other.published(), other.recorder.handled) == ([], [])
    await desk.take(again, 18)
    second = (await desk.published())[2]
    assert (second.offset, second.replay_of) == (18, letter_id(first))
    desk.recorder.broken = False
    for offset in (19, 20):  # replayed twice
        await desk.take((TOPIC, KEY, list(second.replay_headers), second.value), offset)
    assert len([event for event in await desk.published() if isinstance(event, DeadLettered)]) == 2


async def test_a_replay_takes_effect_once(redis: Any) -> None:
    effect = Emit(CAPTURE, "effect")

    class Effective(Recorder):
        async def handle(self, _: Any, meta: Meta) -> Transition:
            await super().handle(_, meta)
            return decided(effect)

    desk = Desk(redis, Effective())
    await desk.take(command("c2", ARM))
    letter = await desk.letter()
    desk.recorder.broken = False
    for offset in (18, 19):
        await desk.take((TOPIC, KEY, list(letter.replay_headers), letter.value), offset)
    assert (await desk.published())[2:] == [CAPTURE]


async def test_on_the_bus_the_partition_moves_on(kafka: str, redis: Any) -> None:
    recorder = Recorder()
    poison = [message for message in INVALID.values() if message[0] == TOPIC and message[1] is not None]
    # one key, and so one partition: the good one lies behind them all
    poison = [(topic, KEY, headers, value) for topic, _, headers, value in poison]
    poison += [command("c3", ARM), OVERSIZED["value"], OVERSIZED["headers"]]
    async with serving(kafka, redis, recorder.as_service()), reading(kafka, "dead-letter.v1") as take:
        await send(kafka, *poison, command("c4", CAPTURE))
        letters = [event_of(record) for record in await take(len(poison))]
        await until(lambda: recorder.handled == ["c4"])
    letters.sort(key=lambda letter: int(letter.offset))
    assert [(letter.key, list(letter.headers), letter.value) for letter in letters[:-2]] == [
        sent[1:] for sent in poison[:-2]
    ]
    assert [letter.cut for letter in letters] == [False] * (len(poison) - 2) + [True, True]
