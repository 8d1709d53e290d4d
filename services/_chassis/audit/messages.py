"""The audit of messages: who has written what is being handled, and whether that is an act of its own."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from contracts.audit import Act, Who
from contracts.base import Event, id_of
from contracts.dead_letter import LETTER_HEADER
from contracts.envelope import Envelope, Meta
from contracts.signatures import SIGNATURE_HEADER, Signature
from contracts.topics import COMMAND_TOPICS, DEPLOYMENT_REQUESTS, SERVICES
from services._chassis.audit.acts import Audited, Origin, origin

LONGEST_LETTER = 36
"""Characters of a letter's id, a UUID."""


@contextmanager
def come_from(record: Any, envelope: Envelope, service: str) -> Iterator[None]:
    """Note from where the present work of ``service`` comes: a message, and who has written it.

    On what another service tells, it acts by itself; on a command or a request it acts for who has written that.
    """
    headers: dict[str, bytes | None] = dict(record.headers)
    who, where = _who(headers, envelope.meta), place_of(record)
    if who.name in SERVICES and envelope.entry.topic not in COMMAND_TOPICS:
        where = f"{where} by {who.name} {who.credential}"
        who = Who(name=service, proof="service")
    token = origin.set(Origin(who, where, _let_in(record, headers, envelope)))
    try:
        yield
    finally:
        origin.reset(token)


def place_of(record: Any) -> str:
    return f"{record.topic}/{record.partition}/{record.offset}"


def _who(headers: dict[str, bytes | None], meta: Meta) -> Who:
    if not meta.signed_by:
        return Who(name=meta.source, proof="none")
    key = ""
    with suppress(ValueError):
        key = Signature.parse(headers.get(SIGNATURE_HEADER) or b"").key_id
    return Who(name=meta.signed_by, proof="signature", credential=key)


def _let_in(record: Any, headers: dict[str, bytes | None], envelope: Envelope) -> Audited | None:
    """Return the act that handling this message is by itself: a request from outside, or a replay by an operator."""
    event, meta = envelope.event, envelope.meta
    if not isinstance(event, Event):
        return None
    act, details = None, [envelope.entry.type]
    if letter := headers.get(LETTER_HEADER):
        act = Act.MESSAGE_REPLAYED
        details.append(f"dead letter {letter.decode(errors='replace')[:LONGEST_LETTER]}")
    elif record.topic == DEPLOYMENT_REQUESTS.name:
        act = Act.MESSAGE_ACCEPTED
    if act is None:
        return None
    return Audited(
        act,
        id_of("audit", record.topic, event.subject, meta.source, meta.id, *details),
        event.target,
        why=getattr(event, "reason", ""),
        outcome="accepted",
        asked_by=getattr(event, "actor", ""),
        run_id=getattr(event, "run_id", None) or meta.run_id or "",
        details=tuple(details),
    )
