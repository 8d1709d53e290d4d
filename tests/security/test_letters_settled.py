"""What operators do with dead letters: each act is in the audit once, a forged one is not, and none is half done."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from contracts.audit import Act, Who
from contracts.bounds import LONGEST_TEXT
from contracts.dead_letter import DeadLettered, DeadLetterSettled, letter_id, settlement_of
from contracts.envelope import Envelope, Message, Meta
from contracts.topics import SERVICES, Party
from services._chassis import signing_keys
from services._chassis.audit.messages import place_of
from surefoot import dead_letter_topic
from surefoot.cli import run
from surefoot.dead_letter_topic import Letter
from surefoot.exit_codes import Exit
from surefoot.output import CannotDo
from tests.security.keys import record_of
from tests.security.orchestrated import KEYS, Orchestrator
from tests.security.test_audit_recorded import recorded
from tests.services.orchestrator.harness import START, TARGET, at

LETTER = DeadLettered(
    topic="recovery.commands.v1", partition=3, offset=9, group="recovery", reason="failed", detail="it failed",
    key=b"", headers=(), value=b"",
).model_copy(update={"key": str(TARGET).encode(), "headers": (("ce_id", b"1"),), "value": b"{}"})  # fmt: skip
ID = letter_id(LETTER)


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[Message]:
    """What the command line publishes."""
    sent: list[Message] = []

    class Producer:
        async def send_and_wait(self, topic: str, value: bytes, *, key: bytes, headers: Any, **_: Any) -> None:
            sent.append(Message(topic, key, tuple(headers), value))

    @asynccontextmanager
    async def producer() -> AsyncIterator[Producer]:
        yield Producer()

    monkeypatch.setattr(dead_letter_topic, "_producer", producer)
    return sent


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in signing_keys.create_all(tmp_path).items():
        monkeypatch.setenv(name, value)
    return tmp_path


def settle(how: str, actor: str = "anna", reason: str = "a test") -> None:
    letters = [Letter(ID, datetime.now(UTC), 0, LETTER)]
    asyncio.run((dead_letter_topic.replay if how == "replayed" else dead_letter_topic.drop)(letters, actor, reason))


def settled(event: DeadLetterSettled | None = None, by: Party = Party.OPERATORS, id_: str = "1") -> Message:
    event = event or settlement_of(LETTER, "dropped", "anna", "a test")
    return KEYS.signed(Envelope(Meta(id_, "surefoot/cli", at(START)), event).to_message(), by)


def taken(*messages: Message) -> Orchestrator:
    """Return an orchestrator that has read the messages."""
    orchestrator = Orchestrator()

    async def consume() -> None:
        for offset, message in enumerate(messages):
            await orchestrator.consumer.consume(record_of(message, offset))

    asyncio.run(consume())
    return orchestrator


@pytest.mark.parametrize("how", ["replayed", "dropped"])
def test_each_act_is_recorded_once_however_often_it_is_read(published: list[Message], how: str) -> None:
    settle(how)
    (message,) = [message for message in published if message.topic == "dead-letter.v1"]
    now = at(START).isoformat().encode()
    of_now = tuple((name, now if name == "ce_time" else value) for name, value in message.headers)
    message = KEYS.signed(replace(message, headers=of_now), Party.OPERATORS)
    (entry,) = recorded(taken(message, message, message).store)
    assert (entry.act, entry.outcome, entry.asked_by, entry.why) == (Act.DEAD_LETTER_SETTLED, how, "anna", "a test")
    assert entry.who == Who(name="operators", proof="signature", credential=KEYS.signers[Party.OPERATORS].key_id)
    assert entry.target == TARGET
    assert entry.where == place_of(record_of(message))
    assert entry.details == (f"dead letter {ID}", "of recovery", "recovery.commands.v1/3/9")


def test_what_an_earlier_version_settled_is_recorded_with_what_it_says() -> None:
    (entry,) = recorded(taken(settled(DeadLetterSettled(letter=ID, how="dropped", actor="anna"))).store)
    assert (entry.outcome, entry.target, entry.details) == ("dropped", None, (f"dead letter {ID}",))


def test_what_nobody_may_say_is_no_act() -> None:
    others = [settled(by=by) for by in (*SERVICES, Party.CI)]
    unsigned = replace(settled(), headers=settled().headers[:-1])
    altered = replace(settled(), value=settled().value.replace(b"anna", b"alma"))
    entries = recorded(taken(*others, unsigned, altered).store)
    assert {(entry.act, entry.outcome) for entry in entries} == {(Act.MESSAGE_REFUSED, "untrusted")}
    assert len(entries) == len(others) + 2


def test_a_letter_on_the_topic_is_not_looked_at_and_makes_no_other_letter() -> None:
    letter = Envelope(Meta(ID, "surefoot/recovery", at(START)), LETTER).to_message()
    orchestrator = taken(letter, KEYS.signed(letter, Party.RECOVERY), replace(letter, value=b"{" * 900_000))
    assert recorded(orchestrator.store) == []
    assert orchestrator.events(DeadLettered) == []


@pytest.mark.parametrize("how", ["replayed", "dropped"])
def test_what_could_not_be_settled_is_not_begun(published: list[Message], how: str) -> None:
    with pytest.raises(CannotDo, match=r"nothing was done: the event dead-letter-settled.v1 .* more than 16,384"):
        settle(how, reason="x" * (LONGEST_TEXT + 1))
    assert published == []


@pytest.mark.parametrize("how", ["replayed", "dropped"])
def test_what_no_service_would_believe_is_not_begun(
    published: list[Message], keys: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    for key in ("", str(keys / "ci" / "key.pem")):
        monkeypatch.setenv("SUREFOOT_SIGNING_KEY", key)
        with pytest.raises(CannotDo, match=r"no service would believe it: .*SUREFOOT_SIGNING_KEY") as refusal:
            settle(how)
        assert refusal.value.code == Exit.USAGE
    assert published == []


@pytest.mark.parametrize(
    "command",
    [
        ["dead-letters", "drop", "3cbb01b4", "--actor", "anna"],
        ["dead-letters", "replay", "3cbb01b4"],
        ["deploy", "c", "s", "--image", "web:2"],
        ["abort", "c", "s"],
        ["pause", "c", "s"],
        ["resume", "c", "s"],
        ["approve", "c", "s"],
        ["reject", "c", "s"],
        ["rollback", "c", "s"],
        ["scale", "c", "s", "5"],
        ["policy", "reload"],
    ],
)
def test_a_reason_that_is_too_long_is_refused_before_anything_is_asked(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*command, "--reason", "x" * (LONGEST_TEXT + 1)]) == Exit.USAGE
    assert "16,384 are the most" in capsys.readouterr().err


@pytest.mark.parametrize("option", [["--reason", "\x1b" * 5_000], ["--reason", "x", "--actor", "x" * 513]])
def test_what_escapes_lengthen_is_too_long_and_so_is_a_name(
    option: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["dead-letters", "drop", "3cbb01b4", *option]) == Exit.USAGE
    assert "are the most" in capsys.readouterr().err
