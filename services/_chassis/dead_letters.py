"""Turns a message that cannot be handled into a dead letter and its warning. Nothing here does I/O."""

from datetime import datetime

from contracts.base import Target, caused_id
from contracts.dead_letter import LETTER_HEADER, DeadLettered, Reason, alert_of, letter_id
from contracts.envelope import Meta
from contracts.prose import quote
from services._chassis.commands import Command
from services._chassis.records import Record
from services._chassis.transition import Emit

LARGEST_LETTER = 600_000
"""Bytes of a message that a dead letter keeps: in base64 they still fit into what Kafka takes (1 MiB)."""
LONGEST_DETAIL = 500
"""Characters of a detail. It may quote the name of a header or a field, which can have any length."""
LONGEST_TYPE = 100
LONGEST_ID = 36
"""Bytes of a letter's id, a UUID. A longer header is not ours."""


def letter_of(record: Record, group: str, reason: Reason, detail: str) -> DeadLettered:
    """Return the message as it came, shortened where Kafka could not take the letter."""
    key, headers, value = _kept(record)
    by_name: dict[str, bytes | None] = dict(headers)
    return DeadLettered.model_construct(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        group=group,
        reason=reason,
        detail=quote(detail, LONGEST_DETAIL),
        key=key,
        headers=headers,
        value=value,
        value_bytes=None if record.value is None else len(record.value),
        cut=(key, headers, value) != (record.key, tuple(record.headers), record.value),
        replay_of=(by_name.get(LETTER_HEADER) or b"")[:LONGEST_ID].decode(errors="replace") or None,
    )


def _kept(record: Record) -> tuple[bytes | None, tuple[tuple[str, bytes | None], ...], bytes | None]:
    """Return key, headers and value, in this order, as far as there is room; a header is kept whole or not at all."""
    key = record.key and record.key[:LARGEST_LETTER]
    room = LARGEST_LETTER - len(key or b"")
    headers = []
    for name, value in record.headers:
        # a character of a name takes up to six bytes of JSON, a byte of a value four thirds
        room -= 5 * len(name) + len(value or b"") + 20
        if room < 0:
            break
        headers.append((name, value))
    return key, tuple(headers), record.value and record.value[: max(room, 0)]


def emissions_for(letter: DeadLettered, now: datetime) -> tuple[Emit, ...]:
    """Return the letter, and the warning about it where there is one."""
    id_ = letter_id(letter)
    alert = alert_of(letter, "raised", now)
    return (Emit(letter, id_), *((Emit(alert, caused_id(id_, "alert-raised")),) if alert else ()))


def unsupported(record: Record, type_: str, meta: Meta, why: str) -> tuple[Emit, ...]:
    """Return the answer to a command that is unknown here; none without a target in its key."""
    try:
        target = Target.parse((record.key or b"").decode())
    except ValueError:
        return ()  # without a target there is no run to answer to
    step = type_.rpartition(".")[0][:LONGEST_TYPE]
    return (Command(target, meta.run_id or "", meta.id, step).unsupported(why),)
