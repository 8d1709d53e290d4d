"""Who is believed: of each type its writers only, and only what they have signed as it stands."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts.catalogue import CATALOGUE, Entry, entry_of
from contracts.deployment import DeployRequested
from contracts.envelope import InvalidMessage, Message, read_meta
from contracts.recovery import RollBack
from contracts.results import StepFinished
from contracts.signatures import SIGNED_HEADERS, Signature, asked_service, signed_bytes, source_fits
from contracts.topics import COMMAND_TOPICS, SERVICES, Party
from services._chassis.signatures import Signatures, Signer, Trust, Untrusted
from services._chassis.signing_keys import SIGNING, TrustedKey
from tests.security.keys import Keys, message_of, record_of, source_of

KEYS = Keys()
VECTORS = Path(__file__).with_name("vectors.yaml")
ROLL_BACK = entry_of(RollBack)


def believed(message: Message, trust: Trust) -> str:
    """Return by whom a message is proven to be. Raise ``Untrusted``."""
    return trust.prove(record_of(message), *read_meta(message.headers)).signed_by


def each_writer() -> Iterator[tuple[Entry, Party]]:
    for entry in CATALOGUE:
        yield from ((entry, party) for party in SIGNING if party in entry.writers)


def each_stranger() -> Iterator[tuple[Entry, Party]]:
    for entry in CATALOGUE:
        yield from ((entry, party) for party in SIGNING if party not in entry.writers)


@pytest.mark.parametrize(("entry", "party"), [*each_writer()])
def test_a_writer_is_believed(entry: Entry, party: Party) -> None:
    assert believed(KEYS.signed(message_of(entry, party), party), KEYS.trust()) == party


@pytest.mark.parametrize(("entry", "party"), [*each_stranger()])
def test_no_other_party_is_whatever_it_calls_itself(entry: Entry, party: Party) -> None:
    for pretended in entry.writers:
        with pytest.raises(Untrusted, match="may not write this type"):
            believed(KEYS.signed(message_of(entry, party, source=source_of(pretended)), party), KEYS.trust())


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.type)
def test_nobody_signs_for_another(entry: Entry) -> None:
    """A signature of one who may, under the name of another."""
    for party, other in itertools.product(entry.writers, SIGNING):
        if other != party:
            with pytest.raises(Untrusted, match="its source is not"):
                believed(KEYS.signed(message_of(entry, party, source=source_of(other)), party), KEYS.trust())


def changes() -> Iterator[tuple[str, Message]]:
    """Yield each way in which a signed message can be changed afterwards."""
    message = message_of(ROLL_BACK, Party.ORCHESTRATOR, runid="r", causeid="c", subject="s")
    sent = KEYS.signed(message, Party.ORCHESTRATOR)
    yield "topic", replace(sent, topic="recovery.events.v1")
    yield "key", replace(sent, key=b"123456789012/us-west-2/c/other")
    yield "value", replace(sent, value=sent.value.replace(b'"', b'" ', 1))
    for name in SIGNED_HEADERS:
        headers = tuple(header for header in sent.headers if header[0] != name)
        yield name, replace(sent, headers=(*headers, (name, b"other")))
    first, second = (message_of(ROLL_BACK, Party.ORCHESTRATOR, id=id_) for id_ in ("1", "2"))
    signature = KEYS.signed(first, Party.ORCHESTRATOR).headers[-1]
    yield "another message's signature", replace(second, headers=(*second.headers, signature))
    # parts that run into each other: what is moved from one to the next is not the same
    moved = message_of(ROLL_BACK, Party.ORCHESTRATOR, runid="ab", causeid="c")
    signature = KEYS.signed(moved, Party.ORCHESTRATOR).headers[-1]
    other = message_of(ROLL_BACK, Party.ORCHESTRATOR, runid="a", causeid="bc")
    yield "run into each other", replace(other, headers=(*other.headers, signature))


@pytest.mark.parametrize("message", [message for _, message in changes()], ids=[what for what, _ in changes()])
def test_what_was_changed_afterwards_is_not_believed(message: Message) -> None:
    meta = read_meta(message_of(ROLL_BACK, Party.ORCHESTRATOR).headers)[1]
    with pytest.raises(Untrusted, match="does not fit its content"):
        KEYS.trust().prove(record_of(message), ROLL_BACK.type, meta)


def test_headers_of_a_mirror_or_a_tracer_may_come_and_go() -> None:
    sent = KEYS.signed(message_of(ROLL_BACK, Party.ORCHESTRATOR), Party.ORCHESTRATOR)
    for headers in (reversed(sent.headers), (*sent.headers, ("traceparent", b"00-1"), ("mirror", b""))):
        assert believed(replace(sent, headers=tuple(headers)), KEYS.trust()) == "orchestrator"


def test_a_key_that_is_not_trusted_proves_nothing() -> None:
    stranger = Signer(Ed25519PrivateKey.generate())
    with pytest.raises(Untrusted, match="not trusted here"):
        believed(stranger.sign(message_of(ROLL_BACK, Party.ORCHESTRATOR)), KEYS.trust())


@pytest.mark.parametrize("header", [None, b"", b"x", b":", b"x:y", "ü:".encode(), b"0000000000000000:AAAA", b":" * 9])
def test_what_is_no_signature_proves_nothing(header: bytes | None) -> None:
    message = message_of(ROLL_BACK, Party.ORCHESTRATOR)
    given: Any = (*message.headers, ("surefoot_signature", header))
    with pytest.raises(InvalidMessage):  # what is null is no header at all
        believed(replace(message, headers=given), KEYS.trust())


def test_without_a_signature_a_message_is_believed_only_where_none_is_demanded() -> None:
    message = message_of(ROLL_BACK, Party.ORCHESTRATOR)
    assert believed(message, KEYS.trust(Signatures.OFF)) == believed(message, KEYS.trust(Signatures.ACCEPTED)) == ""
    with pytest.raises(Untrusted, match="not signed"):
        believed(message, KEYS.trust())


def test_a_wrong_signature_is_not_believed_where_none_is_demanded() -> None:
    message = KEYS.signed(message_of(ROLL_BACK, Party.ORCHESTRATOR), Party.ORCHESTRATOR)
    with pytest.raises(Untrusted):
        believed(replace(message, value=b"{}"), KEYS.trust(Signatures.ACCEPTED))


def test_a_retired_key_proves_what_was_published_before() -> None:
    signer, now = Signer(Ed25519PrivateKey.generate()), datetime(2026, 11, 27, tzinfo=UTC)
    key = TrustedKey(Party.ORCHESTRATOR, signer.private.public_key(), until=now)
    trust = Trust(Signatures.DEMANDED, lambda: {key.id: key})
    before = message_of(ROLL_BACK, Party.ORCHESTRATOR, time=now.isoformat())
    assert believed(signer.sign(before), trust) == "orchestrator"
    later = message_of(ROLL_BACK, Party.ORCHESTRATOR, time=(now + timedelta(seconds=1)).isoformat())
    with pytest.raises(Untrusted, match="was retired"):
        believed(signer.sign(later), trust)


def test_two_keys_of_a_party_are_valid_at_a_time() -> None:
    old, new = Signer(Ed25519PrivateKey.generate()), Signer(Ed25519PrivateKey.generate())
    keys = {key.id: key for key in (TrustedKey(Party.MONITOR, signer.private.public_key()) for signer in (old, new))}
    trust = Trust(Signatures.DEMANDED, lambda: keys)
    alert = next(entry for entry in CATALOGUE if entry.type == "critical-alert.v1")
    assert {believed(signer.sign(message_of(alert, Party.MONITOR)), trust) for signer in (old, new)} == {"monitor"}


def test_a_message_that_is_signed_again_has_one_signature() -> None:
    sent = KEYS.signed(message_of(ROLL_BACK, Party.ORCHESTRATOR), Party.ORCHESTRATOR)
    assert len(KEYS.signed(sent, Party.ORCHESTRATOR).headers) == len(sent.headers)


@pytest.mark.parametrize("party", [party for party in SERVICES if party is not Party.ORCHESTRATOR])
def test_an_answer_counts_from_the_service_that_was_asked_only(party: Party) -> None:
    entry, trust = entry_of(StepFinished), KEYS.trust()
    example = StepFinished.model_validate_json(message_of(entry, party).value)
    for command in (entry for entry in CATALOGUE if entry.topic in COMMAND_TOPICS):
        answer = example.model_copy(update={"step": command.name})
        meta = replace(read_meta(message_of(entry, party).headers)[1], signed_by=str(party))
        if COMMAND_TOPICS[command.topic] == party:
            trust.prove_content(answer, meta)
        else:
            with pytest.raises(Untrusted, match="answers a command that goes to"):
                trust.prove_content(answer, meta)


def test_a_type_that_is_not_known_yet_may_come_from_who_writes_to_its_topic() -> None:
    entry = replace(ROLL_BACK, type="roll-back.v2")
    message = replace(message_of(ROLL_BACK, Party.ORCHESTRATOR, type=entry.type))
    assert believed(KEYS.signed(message, Party.ORCHESTRATOR), KEYS.trust()) == "orchestrator"
    with pytest.raises(Untrusted, match="may not write"):
        believed(KEYS.signed(message_of(ROLL_BACK, Party.CI, type=entry.type), Party.CI), KEYS.trust())


def test_our_names_are_for_our_services() -> None:
    request = entry_of(DeployRequested)
    for source in ("surefoot", "surefoot/orchestrator", "surefoot/api", "surefoot/cli", "surefoot/"):
        with pytest.raises(Untrusted, match="its source is not"):
            believed(KEYS.signed(message_of(request, Party.CI, source=source), Party.CI), KEYS.trust())
    assert source_fits(Party.CI, "surefooted")
    assert not source_fits(Party.RECOVERY, "surefoot/recovery/")


def test_each_command_has_a_service_that_answers_it() -> None:
    commands = [entry for entry in CATALOGUE if entry.topic in COMMAND_TOPICS]
    assert {asked_service(entry.name) for entry in commands} == set(COMMAND_TOPICS.values())
    assert asked_service("deploy-requested") is asked_service("nothing") is None


def test_signatures_of_another_implementation_hold() -> None:
    """OpenSSL has made them over bytes that were put together by hand (RFC 8032's algorithm is the same everywhere)."""
    vector = yaml.safe_load(VECTORS.read_text())
    content = bytes.fromhex(vector["signed"])
    headers = [(name, text.encode()) for name, text in vector["headers"].items()]
    assert signed_bytes(vector["topic"], vector["key"].encode(), headers, vector["value"].encode()) == content
    private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(vector["private"]))
    message = Message(vector["topic"], vector["key"].encode(), tuple(headers), vector["value"].encode())
    signature = Signature.parse(dict(Signer(private).sign(message).headers)["surefoot_signature"])
    assert (signature.key_id, signature.signature.hex()) == (vector["key_id"], vector["signature"])
