"""CloudEvents 1.0, binary mode, over Kafka: attributes are ``ce_`` headers, the data is the message's value.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from contracts.audit import AuditRecord
from contracts.base import Event, reckonable, reckonable_expiry
from contracts.bounds import (
    LONGEST_HEADER,
    LONGEST_ID,
    MOST_HEADERS,
    MOST_LETTER_BYTES,
    OutOfBounds,
    as_json,
    check_json,
)
from contracts.catalogue import Entry, entry_of, entry_of_type
from contracts.dead_letter import DeadLettered, DeadLetterSettled

Headers = tuple[tuple[str, bytes], ...]


class InvalidMessage(ValueError):
    """A message that no retry can make readable. The error's text says why, without quoting the message's values."""


class UnknownType(InvalidMessage):
    """A well-formed event of a type that this version does not know."""


@dataclass(frozen=True, slots=True)
class Meta:
    """The attributes around an event."""

    id: str
    source: str
    """The writer: ``surefoot/<service>``, or a name that an outside writer chose. ``source`` and ``id`` are unique
    together."""
    time: datetime
    run_id: str | None = None
    cause_id: str | None = None
    expires_at: datetime | None = None
    """The extension ``expirytime``: from then on the message is of no use. Outside writers set it, in wall-clock time.
    https://github.com/cloudevents/spec/blob/main/cloudevents/extensions/expirytime.md"""
    signed_by: str = ""
    """Who has proven to have written it, as ``recovery`` or ``ci:team-a``; empty where nothing is proven. It is no
    attribute of the message, but what its reader has found out."""
    read_again: bool = False
    """Whether it is read since Redis was started anew, up to where Kafka stood then: only now may a reader have lost
    what it had published itself. No attribute of the message either."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """An event and its attributes."""

    meta: Meta
    event: Event | DeadLettered | DeadLetterSettled | AuditRecord

    @property
    def entry(self) -> Entry:
        return entry_of(type(self.event))

    def to_message(self) -> "Message":
        """Encode. ``partitionkey``, ``subject`` and the Kafka key are the event's subject.

        Raise ``OutOfBounds`` for an event that ``from_message`` would not read.
        """
        subject = self.event.subject
        attributes = {
            "ce_specversion": "1.0",
            "ce_id": self.meta.id,
            "ce_source": self.meta.source,
            "ce_type": self.entry.type,
            "ce_subject": subject,
            "ce_time": _text(self.meta.time),
            "ce_partitionkey": subject,
            "content-type": "application/json",
        }
        optional = {
            "ce_runid": self.meta.run_id,
            "ce_causeid": self.meta.cause_id,
            "ce_expirytime": self.meta.expires_at and _text(self.meta.expires_at),
        }
        attributes |= {name: value for name, value in optional.items() if value}
        try:
            for name, text in attributes.items():
                _check_header(name, text)
            value = as_json(self.event)
            _check(self.entry, value)
        except OutOfBounds as error:
            raise OutOfBounds(f"the event {self.entry.type} was not published: it would have {error}") from None
        headers = tuple((name, text.encode()) for name, text in attributes.items())
        return Message(self.entry.topic.name, subject.encode(), headers, value)


@dataclass(frozen=True, slots=True)
class Message:
    """A Kafka message: topic, key, headers, value."""

    topic: str
    key: bytes
    headers: Headers
    value: bytes


def read_meta(headers: Iterable[tuple[str, bytes | None]]) -> tuple[str, Meta]:
    """Read ``(type, attributes)``.

    Raise ``InvalidMessage`` when one that CloudEvents requires is missing, or a header is beyond a bound.
    """
    headers = tuple(headers)
    if len(headers) > MOST_HEADERS:
        raise InvalidMessage(f"more than {MOST_HEADERS} headers")
    attributes = dict(map(_read_header, headers))
    missing = [name for name in ("ce_specversion", "ce_id", "ce_source", "ce_type") if not attributes.get(name)]
    if missing:
        raise InvalidMessage(f"no {', '.join(missing)}: a CloudEvents 1.0 message in binary mode is expected")
    if attributes["ce_specversion"] != "1.0":
        raise InvalidMessage("ce_specversion is not 1.0")
    time = _time("ce_time", attributes.get("ce_time"))
    if time is None:
        raise InvalidMessage("no ce_time: without it nobody can tell how old the message is")
    return attributes["ce_type"], Meta(
        id=attributes["ce_id"],
        source=attributes["ce_source"],
        time=time,
        run_id=attributes.get("ce_runid"),
        cause_id=attributes.get("ce_causeid"),
        expires_at=_time("ce_expirytime", attributes.get("ce_expirytime"), reckonable_expiry),
    )


def from_message(headers: Iterable[tuple[str, bytes | None]], value: bytes | None) -> Envelope:
    """Decode. Raise ``UnknownType`` or ``InvalidMessage``; their texts never quote the message's values."""
    return decode(*read_meta(headers), value)


def decode(type_: str, meta: Meta, value: bytes | None) -> Envelope:
    """Decode the body of a message whose attributes are known. Raise as ``from_message``."""
    entry = entry_of_type(type_)
    if entry is None:
        raise UnknownType(f"the type {type_[:100]!r} is unknown here")
    if value is None:
        raise InvalidMessage(f"{type_} without data")
    try:
        _check(entry, value)
    except OutOfBounds as error:
        raise InvalidMessage(f"{type_} has {error}") from None
    try:
        event = entry.contract.model_validate_json(value)
        _check_header("ce_subject", event.subject)
    except OutOfBounds as error:
        raise InvalidMessage(f"{type_} has a subject that would be {error}") from None
    except ValidationError as error:
        # a field's path and the rule that it broke; the input could be a secret
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'data'}: {_rule(fault)}"
            for fault in error.errors(include_input=False, include_url=False)[:5]
        )
        raise InvalidMessage(f"{type_} does not validate: {faults}") from None
    return Envelope(meta, event)


def _check(entry: Entry, value: bytes) -> None:
    """Raise ``OutOfBounds`` for data beyond a bound. A dead letter's texts are as long as the message that it holds."""
    if entry.contract is not DeadLettered:
        check_json(value)
    elif len(value) > MOST_LETTER_BYTES:
        raise OutOfBounds(f"more than {MOST_LETTER_BYTES:,} bytes")


def _read_header(header: tuple[str, bytes | None]) -> tuple[str, str]:
    name, value = header
    if value is None:
        raise InvalidMessage(f"the header {name} is null")
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise InvalidMessage(f"the header {name} is not UTF-8") from None
    try:
        _check_header(name, text)
    except OutOfBounds as error:
        raise InvalidMessage(f"the message has {error}") from None
    return name, text


def _check_header(name: str, text: str) -> None:
    longest = LONGEST_ID if name.startswith("ce_") else LONGEST_HEADER
    if len(name) + len(text) > longest:
        raise OutOfBounds(f"a header of more than {longest:,} characters")


def _rule(fault: ErrorDetails) -> str:
    """Return the broken rule. Pydantic's message about a union's tag is replaced: it alone quotes the input."""
    if fault["type"] == "union_tag_invalid":
        return f"the tag is none of {fault['ctx']['expected_tags']}"
    return fault["msg"]


def _time(name: str, text: str | None, read: Callable[[datetime], datetime] = reckonable) -> datetime | None:
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidMessage(f"{name} is not RFC 3339") from None
    try:
        return read(time)
    except ValueError as error:
        raise InvalidMessage(f"{name} {error}") from None


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
