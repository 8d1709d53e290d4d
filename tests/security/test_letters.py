"""A forged dead letter replaces no genuine one, and is not shown: whoever replays it would publish its message."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.dead_letter import DeadLettered, letter_id
from contracts.envelope import Envelope, Message, Meta
from contracts.topics import SERVICES, Party
from services._chassis import signing_keys
from services._chassis.signatures import Signer
from surefoot import dead_letter_topic
from surefoot.output import CannotDo
from tests.security.keys import record_of

NOW = datetime(2026, 11, 27, tzinfo=UTC)
GENUINE = DeadLettered(
    topic="recovery.commands.v1", partition=3, offset=9, group="recovery", reason="failed", detail="it failed",
    key=b"", headers=(), value=b"",
)  # fmt: skip
FORGED = GENUINE.model_copy(update={"value": b"arm", "detail": "harmless"})


def message(body: DeadLettered, id_: str = "", source: str = "surefoot/recovery") -> Message:
    return Envelope(Meta(id_ or letter_id(body), source, NOW), body).to_message()


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in signing_keys.create_all(tmp_path).items():
        monkeypatch.setenv(name, value)
    return tmp_path


def letters_of(monkeypatch: pytest.MonkeyPatch, *messages: Message) -> dead_letter_topic.Letters:
    async def records() -> AsyncIterator[Any]:
        for offset, each in enumerate(messages):
            yield record_of(each, offset)

    monkeypatch.setattr(dead_letter_topic, "_records", records)
    return asyncio.run(dead_letter_topic.read(lambda _: True))


def test_the_first_letter_under_an_id_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    for letters in ((GENUINE, FORGED), (GENUINE, FORGED, GENUINE)):
        read = letters_of(monkeypatch, *map(message, letters))
        assert [letter.body for letter in read.all] == [GENUINE]
        assert not read.proven, "without keys nobody can tell, and that is said"


def test_a_letter_under_the_id_of_another_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    other = FORGED.model_copy(update={"offset": 10})
    read = letters_of(monkeypatch, message(other, letter_id(GENUINE)), message(GENUINE))
    assert ([letter.body for letter in read.all], read.untrusted) == ([GENUINE], 1)


def test_only_letters_that_a_service_has_signed_are_shown(monkeypatch: pytest.MonkeyPatch, keys: Path) -> None:
    recovery, ci = (
        Signer(signing_keys.read_private(signing_keys.private_path(keys, holder)))
        for holder in (Party.RECOVERY, Party.CI)
    )
    genuine = recovery.sign(message(GENUINE))
    altered = replace(genuine, value=message(FORGED).value)
    read = letters_of(monkeypatch, message(FORGED), ci.sign(message(FORGED)), altered, genuine)
    assert ([letter.body for letter in read.all], read.untrusted) == ([GENUINE], 3)


@pytest.mark.parametrize("other", [party for party in SERVICES if party is not Party.RECOVERY])
def test_no_service_writes_a_letter_in_the_name_of_another(
    monkeypatch: pytest.MonkeyPatch, keys: Path, other: Party
) -> None:
    """The forged one comes first: the genuine one under the same id would be skipped."""
    signers = {party: Signer(signing_keys.read_private(signing_keys.private_path(keys, party))) for party in SERVICES}
    forged = signers[other].sign(message(FORGED, source=f"surefoot/{other}"))
    read = letters_of(monkeypatch, forged, signers[Party.RECOVERY].sign(message(GENUINE)))
    assert ([letter.body for letter in read.all], read.untrusted, read.proven) == ([GENUINE], 1, True)


def test_where_signatures_are_demanded_no_letter_is_shown_without_keys(
    monkeypatch: pytest.MonkeyPatch, keys: Path
) -> None:
    monkeypatch.delenv("SUREFOOT_TRUSTED_KEYS")
    with pytest.raises(CannotDo, match="needs SUREFOOT_TRUSTED_KEYS"):
        letters_of(monkeypatch, message(GENUINE))


def test_a_letter_whose_message_would_be_refused_for_its_age_is_not_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    old = (datetime.now(UTC) - timedelta(days=31)).isoformat().encode()
    headers = {"ce_specversion": b"1.0", "ce_id": b"1", "ce_source": b"s", "ce_type": b"t", "ce_time": old}
    body = GENUINE.model_copy(update={"headers": tuple(headers.items())})
    (letter,) = letters_of(monkeypatch, message(body)).all
    assert "older than 31 days" in (letter.refusal(again=True) or "")


def test_keys_that_cannot_be_read_are_told(monkeypatch: pytest.MonkeyPatch, keys: Path) -> None:
    signing_keys.trusted_path(keys).unlink()
    with pytest.raises(CannotDo, match="SUREFOOT_TRUSTED_KEYS names it"):
        letters_of(monkeypatch, message(GENUINE))
