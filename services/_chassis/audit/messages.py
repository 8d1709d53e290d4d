"""The audit of messages: who has written what is being handled, and whether that is an act of its own."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from pydantic import ValidationError

from contracts.audit import Act, Who
from contracts.base import Event, id_of
from contracts.dead_letter import LETTER_HEADER, REPLAY_HEADER, Replay
from contracts.envelope import Envelope, Meta
from contracts.signatures import SIGNATURE_HEADER, Signature
from contracts.topics import COMMAND_TOPICS, DEPLOYMENT_REQUESTS, SERVICES
from services._chassis.audit.acts import Audited, Origin, origin
from services._chassis.signatures import UNSIGNED, Trust

LONGEST_LETTER = 36
"""Characters of a letter's id, a UUID."""


@contextmanager
def come_from(record: Any, envelope: Envelope, service: str, trust: Trust = UNSIGNED.trust) -> Iterator[None]:
    """Note from where the present work of ``service`` comes: a message, and who has written it.

    On what another service tells, it acts by itself; on a command or a request it acts for who has written that.
    """
    headers: dict[str, bytes | None] = dict(record.headers)
    who, where = _who(headers, envelope.meta), place_of(record)
    if who.name in SERVICES and envelope.entry.topic not in COMMAND_TOPICS:
        where = f"{where} by {who.name} {who.credential}"
        who = Who(name=service, proof="service")
    token = origin.set(Origin(who, where, _let_in(record, headers, envelope, trust)))
    try:
        yield
    finally:
        origin.reset(token)


@contextmanager
def refused_from(record: Any, signed_by: str) -> Iterator[None]:
    """Note from where a message comes that is put aside, and who has proven to have written it."""
    token = origin.set(Origin(_signer(dict(record.headers), signed_by), place_of(record)))
    try:
        yield
    finally:
        origin.reset(token)


def place_of(record: Any) -> str:
    return f"{record.topic[:200]}/{record.partition}/{record.offset}"


def _who(headers: dict[str, bytes | None], meta: Meta) -> Who:
    return _signer(headers, meta.signed_by) if meta.signed_by else Who(name=meta.source, proof="none")


def _signer(headers: dict[str, bytes | None], signed_by: str) -> Who:
    """Return who has signed a message; nobody where ``signed_by`` is empty."""
    if not signed_by:
        return Who(proof="none")
    key = ""
    with suppress(ValueError):
        key = Signature.parse(headers.get(SIGNATURE_HEADER) or b"").key_id
    return Who(name=signed_by, proof="signature", credential=key)


def _replayed(record: Any, headers: dict[str, bytes | None], trust: Trust) -> dict[str, Any]:
    """Return who has replayed a dead letter as far as that is proven, and for whom and why as the operator says."""
    try:
        replay = Replay.model_validate_json(headers.get(REPLAY_HEADER) or b"")
    except ValidationError:
        return {"who": Who(proof="none")}
    key = trust.replayed_by(record, replay)
    who = Who(name=key.named, proof="signature", credential=key.id) if key else Who(proof="none")
    return {"who": who, "asked_by": replay.actor, "why": replay.reason}


def _let_in(record: Any, headers: dict[str, bytes | None], envelope: Envelope, trust: Trust) -> Audited | None:
    """Return the act that handling this message is by itself: a request from outside, or a replay by an operator."""
    event, meta = envelope.event, envelope.meta
    if not isinstance(event, Event):
        return None
    act, details = None, [envelope.entry.type]
    asked: dict[str, Any] = {"why": getattr(event, "reason", ""), "asked_by": getattr(event, "actor", "")}
    if letter := headers.get(LETTER_HEADER):
        act = Act.MESSAGE_REPLAYED
        details.append(f"dead letter {letter.decode(errors='replace')[:LONGEST_LETTER]}")
        asked = _replayed(record, headers, trust)
    elif record.topic == DEPLOYMENT_REQUESTS.name:
        act = Act.MESSAGE_ACCEPTED
    if act is None:
        return None
    return Audited(
        act,
        id_of("audit", record.topic, event.subject, meta.source, meta.id, *details),
        event.target,
        outcome="accepted",
        run_id=getattr(event, "run_id", None) or meta.run_id or "",
        details=tuple(details),
        **asked,
    )
