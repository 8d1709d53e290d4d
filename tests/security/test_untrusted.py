"""What is not believed has no effect but a dead letter, and a flood of it has a bound."""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from contracts.catalogue import CATALOGUE, Entry, entry_of, topics_of
from contracts.dead_letter import GROUP_HEADER, DeadLettered
from contracts.deployment import AbortRequested, DeployRequested
from contracts.envelope import Envelope, Message, Meta, from_message
from contracts.monitor import WarningAlert
from contracts.recovery import CaptureSnapshot
from contracts.topics import SERVICES, Party
from services._chassis import unhandled
from services._chassis.catch_up import CatchUp
from services._chassis.clock import Pace, PacedClock
from services._chassis.consumer import Consumer
from services._chassis.readiness import Readiness
from services._chassis.relay import Relay
from services._chassis.service import Service
from services._chassis.signatures import Identity, Signatures, Untrusted
from services._chassis.store import RedisStore
from services._chassis.transition import Emit, Transition, decided
from services._chassis.unhandled import MOST_UNTRUSTED
from tests.chassis.harness import TARGET
from tests.security.keys import Keys, message_of, record_of, source_of

KEYS = Keys()
CAPTURE, REQUEST = entry_of(CaptureSnapshot), entry_of(DeployRequested)


@dataclass
class Desk:
    """A consumer without Kafka that handles each type, and answers requests that cannot be read."""

    redis: Any
    name: Party = Party.RECOVERY
    mode: Signatures = Signatures.DEMANDED
    handled: list[Meta] = field(default_factory=list)
    answered: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = RedisStore(self.redis, self.name, PacedClock(Pace()))
        self.readiness = Readiness()
        handlers: dict[Any, Any] = {entry.contract: self._handle for entry in CATALOGUE}
        refusals: dict[str, Any] = {topic.name: self._answer for topic in topics_of(self.name)}
        self.service = service = Service(self.name, handlers=handlers, refusals=refusals)
        trust = KEYS.trust(self.mode)
        self.consumer = Consumer(service, self.store, CatchUp(self.store), self.readiness, trust=trust)
        self._offset = 0

    async def _handle(self, _: Any, meta: Meta) -> Transition:
        self.handled.append(meta)
        return decided()

    async def _answer(self, record: Any, *_: str) -> Transition | None:
        self.answered.append(record)
        return None

    async def take(self, message: Message) -> None:
        self._offset += 1
        await self.consumer.consume(record_of(message, self._offset))

    async def letters(self) -> list[DeadLettered]:
        entries = await self.redis.xrange(self.store.key("outbox"))
        events = [
            from_message([(n, v.encode()) for n, v in orjson.loads(fields[b"headers"])], fields[b"value"]).event
            for _, fields in entries
        ]
        assert all(isinstance(event, DeadLettered) for event in events), "nobody is answered"
        return [event for event in events if isinstance(event, DeadLettered)]


@pytest.mark.parametrize("party", SERVICES)
async def test_each_type_from_each_stranger_is_a_dead_letter_and_nothing_else(redis: Any, party: Party) -> None:
    desk = Desk(redis, party)
    forged = [
        KEYS.signed(message_of(entry, stranger, source=source), stranger)
        for entry in CATALOGUE
        if party in entry.readers
        for stranger in KEYS.signers
        if stranger not in entry.writers
        for source in (source_of(stranger), f"surefoot/{min(entry.writers)}")
    ]
    for message in forged:
        with pytest.raises(Untrusted):
            desk.consumer._proven(record_of(message))
    forged = forged[::2]  # each stranger under its own name
    for message in forged[:MOST_UNTRUSTED]:
        await desk.take(message)
    letters = await desk.letters()
    assert desk.handled == desk.answered == []
    assert [letter.reason for letter in letters] == ["untrusted"] * min(len(forged), MOST_UNTRUSTED)


@pytest.mark.parametrize("entry", [entry for entry in CATALOGUE if Party.ORCHESTRATOR in entry.readers])
async def test_what_its_writer_has_signed_is_handled(redis: Any, entry: Entry) -> None:
    desk = Desk(redis, Party.ORCHESTRATOR)
    first = Party.MONITOR if entry.contract is WarningAlert else Party.RECOVERY
    writer = next(party for party in (first, *KEYS.signers) if party in entry.writers)
    message = message_of(entry, writer)
    if entry.name in {"step-finished", "step-progressed"}:
        message = replace(message, value=orjson.dumps(orjson.loads(message.value) | {"step": "arm"}))
    await desk.take(KEYS.signed(message, writer))
    assert [meta.signed_by for meta in desk.handled] == [str(writer)]
    assert await desk.letters() == []


@pytest.mark.parametrize("party", SERVICES)
async def test_each_type_of_each_writer_on_a_topic_of_another_type_is_a_dead_letter(redis: Any, party: Party) -> None:
    """Nor is it answered, as an unknown command on the service's own topic would be."""
    desk = Desk(redis, party)
    topics = {topic.name for topic in topics_of(party)}
    astray = [
        KEYS.signed(replace(message_of(entry, writer), topic=topic), writer)
        for entry in CATALOGUE
        for writer in sorted(entry.writers)
        for topic in sorted(topics - {entry.topic.name})
    ]
    for message in astray[:: max(1, len(astray) // 5)]:
        await desk.take(message)
    for message in astray:
        with pytest.raises(Untrusted, match="may not write this type on"):
            desk.consumer._proven(record_of(message))
    assert desk.handled == desk.answered == []
    assert {letter.reason for letter in await desk.letters()} == {"untrusted"}


@pytest.mark.parametrize("mode", [Signatures.OFF, Signatures.ACCEPTED])
async def test_where_no_signature_is_demanded_a_type_on_another_topic_is_not_answered_either(
    redis: Any, mode: Signatures
) -> None:
    desk = Desk(redis, mode=mode)
    desk.service.handlers.clear()
    await desk.take(replace(message_of(REQUEST, Party.CI), topic=CAPTURE.topic.name))
    assert [letter.reason for letter in await desk.letters()] == ["invalid"]


async def test_a_request_that_cannot_be_read_is_answered_only_where_its_sender_is_proven(redis: Any) -> None:
    """Whoever could make the orchestrator publish an end would end a run that somebody else asks for later."""
    desk = Desk(redis, Party.ORCHESTRATOR)
    broken = replace(message_of(REQUEST, Party.CI), value=b"{}")
    await desk.take(broken)
    await desk.take(KEYS.signed(broken, Party.MONITOR))
    await desk.take(replace(broken, headers=(("ce_id", b"\xff"),)))
    assert desk.answered == []
    await desk.take(KEYS.signed(broken, Party.CI))
    assert len(desk.answered) == 1
    assert [letter.reason for letter in await desk.letters()] == ["untrusted"] * 3 + ["invalid"]


async def test_a_flood_has_a_bound_and_is_counted(redis: Any) -> None:
    desk = Desk(redis)
    for number in range(MOST_UNTRUSTED + 20):
        await desk.take(message_of(CAPTURE, Party.ORCHESTRATOR, id=str(number)))
    assert len(await desk.letters()) == MOST_UNTRUSTED
    await desk.consumer._unhandled.tally.flush()
    counted = await redis.hget(desk.store.key("counters"), "untrusted:recovery.commands.v1")
    assert int(counted) == MOST_UNTRUSTED + 20
    (sentence,) = desk.readiness.degraded
    assert f"{MOST_UNTRUSTED + 20} messages on recovery.commands.v1 were not believed" in sentence
    assert len(await redis.keys("{recovery}:inbox:*")) == MOST_UNTRUSTED
    await desk.take(KEYS.signed(message_of(CAPTURE, Party.ORCHESTRATOR), Party.ORCHESTRATOR))
    assert len(desk.handled) == 1


async def test_beyond_the_bound_a_message_costs_no_call_of_redis(redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is genuine behind a flood does not wait for the store, of which each write takes milliseconds."""
    monkeypatch.setattr(unhandled, "MOST_UNTRUSTED", 2)
    desk = Desk(redis)
    forged = message_of(CAPTURE, Party.ORCHESTRATOR)
    others = [replace(forged, value=b"\xff"), replace(forged, headers=()), KEYS.signed(forged, Party.CI)]
    for number in range(3):
        await desk.take(replace(forged, value=b"%d" % number))
    calls = _calls(await redis.info("commandstats"))
    for message in (forged, *others):
        await desk.take(message)
    assert _calls(await redis.info("commandstats")) - calls == {"info": 1}
    await desk.consumer._unhandled.tally.flush()
    assert int(await redis.hget(desk.store.key("counters"), "untrusted:recovery.commands.v1")) == 7
    assert len(await desk.letters()) == 2


async def test_the_next_hour_has_room_again_and_a_second_process_has_no_room_of_its_own(
    redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unhandled, "MOST_UNTRUSTED", 1)
    forged = message_of(CAPTURE, Party.ORCHESTRATOR)
    desk, other = Desk(redis), Desk(redis)
    await desk.take(forged)
    other._offset = 1
    await other.take(forged)
    assert len(await desk.letters()) == 1
    start = desk.store.clock.now()
    monkeypatch.setattr(other.store.clock, "now", lambda: start + 3600)
    await other.take(forged)
    assert len(await desk.letters()) == 2


def _calls(stats: dict[str, Any]) -> Counter[str]:
    return Counter({name.removeprefix("cmdstat_"): said["calls"] for name, said in stats.items()})


async def test_a_message_that_is_taken_over_from_the_version_before_is_believed_where_none_is_demanded(
    redis: Any,
) -> None:
    desk, sent_at = Desk(redis, mode=Signatures.ACCEPTED), datetime.now(UTC)
    await desk.take(message_of(CAPTURE, Party.ORCHESTRATOR, time=sent_at.isoformat()))
    await desk.take(KEYS.signed(message_of(CAPTURE, Party.ORCHESTRATOR, id="8"), Party.ORCHESTRATOR))
    await desk.take(KEYS.signed(message_of(CAPTURE, Party.CI, id="9", source="surefoot/orchestrator"), Party.CI))
    assert [meta.signed_by for meta in desk.handled] == ["", "orchestrator"]
    await desk.consumer._unhandled.tally.flush()
    (sentence, _) = desk.readiness.degraded
    assert sentence == (
        "recovery: messages on recovery.commands.v1 come without a signature, "
        f"the last one of {sent_at:%Y-%m-%d %H:%M} UTC."
    )


async def test_where_all_writers_sign_readiness_says_nothing(redis: Any) -> None:
    """That is how operators know that signatures can be demanded."""
    desk = Desk(redis, mode=Signatures.ACCEPTED)
    await desk.take(KEYS.signed(message_of(CAPTURE, Party.ORCHESTRATOR), Party.ORCHESTRATOR))
    assert len(desk.handled) == 1
    assert desk.readiness.degraded == []


async def test_a_replay_to_one_group_is_believed(redis: Any) -> None:
    desk = Desk(redis)
    sent = KEYS.signed(message_of(CAPTURE, Party.ORCHESTRATOR), Party.ORCHESTRATOR)
    await desk.take(replace(sent, headers=(*sent.headers, (GROUP_HEADER, b"monitor"))))
    await desk.take(replace(sent, headers=(*sent.headers, (GROUP_HEADER, b"recovery"))))
    assert len(desk.handled) == 1


class Stopped(Exception):
    pass


async def test_the_relay_signs_what_it_publishes_at_that_moment(redis: Any) -> None:
    """So that an answer of last month that is published again has the signature of today's key."""
    store = RedisStore(redis, Party.RECOVERY, PacedClock(Pace()))
    event = AbortRequested(target=TARGET, run_id="r", actor="me")
    await store.apply(decided(Emit(event, "e")), cause="c")
    (stored,) = await redis.xrange(store.key("outbox"))
    assert b"surefoot_signature" not in stored[1][b"headers"]
    taken: list[Message] = []

    async def publish(message: Message) -> None:
        taken.append(message)
        raise Stopped

    identity = Identity(KEYS.trust(), KEYS.signers[Party.RECOVERY])
    with pytest.raises(Stopped):
        await Relay(redis, store.key("outbox"), "one", publish, 0, identity.sign).run()
    (message,) = taken
    unsigned = Envelope(Meta("e", "surefoot/recovery", from_message(message.headers, message.value).meta.time), event)
    assert {name for name, _ in message.headers} - {name for name, _ in unsigned.to_message().headers} == {
        "surefoot_signature",
        "ce_runid",
        "ce_causeid",
    }
    signer = identity.trust._signer(record_of(message))
    assert signer is not None
    assert signer.named == "recovery"
