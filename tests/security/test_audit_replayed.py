"""A dead letter that was sent again, or refused: the audit has who did it, as far as that is proven."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.audit import Act, AuditEntry, Who
from contracts.base import Target
from contracts.dead_letter import LETTER_HEADER, REPLAY_HEADER, REPLAY_SIGNATURE_HEADER, DeadLettered, letter_id
from contracts.envelope import Envelope, Message, Meta
from contracts.recovery import Arm
from contracts.topics import Party
from services._chassis import signing_keys
from services._chassis.audit.messages import come_from
from services._chassis.clock import Pace, PacedClock
from services._chassis.signatures import UNSIGNED, Signatures, Signer, Trust
from services._chassis.transition import Transition, decided
from surefoot import dead_letter_topic
from surefoot.dead_letter_topic import Letter
from tests.kit import memory_store
from tests.security.keys import record_of, source_of
from tests.security.test_audit_recorded import recorded
from tests.security.test_untrusted import KEYS, Desk

NOW = datetime.now(UTC)
TARGET = Target(account="123456789012", region="us-west-2", cluster="c", service="s")
ARM = Envelope(
    Meta("1", source_of(Party.ORCHESTRATOR), NOW), Arm(target=TARGET, run_id="r", snapshot_id="s", expires_at=NOW)
)


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in signing_keys.create_all(tmp_path).items():
        monkeypatch.setenv(name, value)
    return tmp_path


def signer(keys: Path, party: Party) -> Signer:
    return Signer(signing_keys.read_private(signing_keys.private_path(keys, party)))


def trust(keys: Path, mode: Signatures = Signatures.DEMANDED, *, retired_at: datetime | None = None) -> Trust:
    found = signing_keys.read_trusted(signing_keys.trusted_path(keys))
    return Trust(mode, lambda: {id_: replace(key, until=retired_at) for id_, key in found.items()})


def replayed(monkeypatch: pytest.MonkeyPatch, original: Message, reason: str = "fixed") -> Message:
    """Return the message that ``surefoot dead-letters replay`` publishes for the letter about ``original``."""
    sent: list[Message] = []

    class Producer:
        async def send_and_wait(self, topic: str, value: bytes, *, key: bytes, headers: Any, **_: Any) -> None:
            sent.append(Message(topic, key, tuple(headers), value))

    @asynccontextmanager
    async def producer() -> AsyncIterator[Producer]:
        yield Producer()

    monkeypatch.setattr(dead_letter_topic, "_producer", producer)
    body = DeadLettered(
        topic=original.topic, partition=3, offset=9, group="recovery", reason="invalid", detail="",
        key=None, headers=(), value=None,
    ).model_copy(update={"key": original.key, "headers": original.headers, "value": original.value})  # fmt: skip
    letter = Letter(letter_id(body), NOW, 0, body)
    asyncio.run(dead_letter_topic.replay([letter], "alice", reason))
    return next(message for message in sent if message.topic == original.topic)


def entry_of(message: Message, trusted: Trust) -> AuditEntry:
    """Return what recovery records when it handles a message."""
    store = memory_store(Party.RECOVERY, PacedClock(Pace()))

    async def handle() -> None:
        with come_from(record_of(message), ARM, "recovery", trusted):
            await store.apply(decided(), cause="1")

    asyncio.run(handle())
    (entry,) = recorded(store)
    assert entry.act == Act.MESSAGE_REPLAYED
    return entry


def test_a_replay_has_the_operators_key_and_who_says_to_have_used_it(
    monkeypatch: pytest.MonkeyPatch, keys: Path
) -> None:
    original = signer(keys, Party.ORCHESTRATOR).sign(ARM.to_message())
    message = replayed(monkeypatch, original, "x" * 5_000)
    entry = entry_of(message, trust(keys))
    assert entry.who == Who(name="operators", proof="signature", credential=signer(keys, Party.OPERATORS).key_id)
    assert (entry.asked_by, entry.why, entry.target) == ("alice", "x" * 1_000, TARGET)
    again = replayed(monkeypatch, message)
    assert len(again.headers) == len(message.headers), "a replay of a replay has one replayer"
    assert entry_of(again, trust(keys)).why == "fixed"


def test_what_no_operator_has_signed_proves_nobody(monkeypatch: pytest.MonkeyPatch, keys: Path) -> None:
    message = replayed(monkeypatch, ARM.to_message())
    given = dict(message.headers)
    forged = signer(keys, Party.RECOVERY).signature_of(b"surefoot-replay-1")
    for changed in (
        {REPLAY_HEADER: (given[REPLAY_HEADER] or b"").replace(b"alice", b"mallory")},
        {LETTER_HEADER: b"another"},
        {"ce_id": b"2"},
        {REPLAY_SIGNATURE_HEADER: forged},
        {REPLAY_SIGNATURE_HEADER: b"\xff"},
    ):
        headers = tuple((given | changed).items())
        entry = entry_of(replace(message, headers=headers), trust(keys))
        assert entry.who == Who(proof="none")
    assert entry_of(message, trust(keys, retired_at=NOW - timedelta(days=1))).who == Who(proof="none")
    for unproven in (UNSIGNED.trust, trust(keys, Signatures.OFF)):
        assert (entry_of(message, unproven).who, entry_of(message, unproven).asked_by) == (Who(proof="none"), "alice")
    before = ARM.to_message()
    of_before = replace(before, headers=(*before.headers, (LETTER_HEADER, b"3cbb01b4")))
    assert (entry_of(of_before, trust(keys)).who, entry_of(of_before, trust(keys)).asked_by) == (Who(proof="none"), "")


async def test_a_message_that_is_put_aside_has_who_has_signed_it(redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(redis)

    async def broken(_: object, meta: Meta) -> Transition:
        raise ValueError(f"{meta.id} is no number")

    desk.service.handlers[Arm] = broken
    monkeypatch.setattr("services._chassis.consumer.ATTEMPTS", 1)
    message = ARM.to_message()
    await desk.take(KEYS.signed(message, Party.ORCHESTRATOR))
    await desk.take(KEYS.signed(replace(message, value=b"{}"), Party.ORCHESTRATOR))
    await desk.take(KEYS.signed(message, Party.MONITOR))
    await desk.take(message)
    entries = await redis.xrange(desk.store.key("audit"))
    found = [AuditEntry.model_validate_json(fields[b"entry"]) for _, fields in entries]
    assert [(entry.outcome, entry.who.name, entry.who.credential) for entry in found] == [
        ("failed", "orchestrator", KEYS.signers[Party.ORCHESTRATOR].key_id),
        ("invalid", "orchestrator", KEYS.signers[Party.ORCHESTRATOR].key_id),
        ("untrusted", "", ""),
        ("untrusted", "", ""),
    ]
    assert [entry.where for entry in found] == [f"{message.topic}/3/{offset}" for offset in (1, 2, 3, 4)]
