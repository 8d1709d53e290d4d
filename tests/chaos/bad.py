"""Messages that must become dead letters, in every way in which a message can be bad."""

from random import Random
from typing import Any

from contracts.topics import TOPICS
from tests.chaos.observer import BAD

_ATTRIBUTES: dict[str, bytes] = {
    "ce_specversion": b"1.0",
    "ce_source": b"chaos",
    "ce_type": b"step-finished.v1",
    "ce_time": b"2026-01-01T00:00:00Z",
}
_BODIES = (b"\xff\xfe\x00 not text", b"not JSON", b"[]", b"{}", b'{"target": 7}', b'{"target": {"account": "x"}}')


def bad_message(random: Random, number: int) -> tuple[str, bytes, list[tuple[str, Any]], bytes | None]:
    """Return topic, key, headers and value. Each reader of the topic has to keep it as a dead letter."""
    topic = random.choice([entry.name for entry in TOPICS if entry.name != "dead-letter.v1"])
    headers: dict[str, bytes | None] = {**_ATTRIBUTES, "ce_id": f"bad-{number}".encode()}
    value: bytes | None = random.choice(_BODIES)
    match random.randrange(6):
        case 0:
            headers["ce_source"] = b"\xc3\x28"  # no UTF-8
        case 1:
            headers["ce_id"] = None
        case 2:
            del headers["ce_type"]
        case 3:
            headers["ce_time"] = b"yesterday"
        case 4:
            value = None
        case _:
            pass  # the body is bad
    return topic, f"bad-{number}".encode(), [*headers.items(), (BAD, b"1")], value
