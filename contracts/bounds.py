"""The size and the shape that input may have: the one place with the bounds, applied where input comes in.

They are not in the published schemas, which only grow (docs/adr/0025-inputs-are-bounded-at-intake.md).
"""

from math import isfinite
from typing import Any

from pydantic import BaseModel
from pydantic_core import from_json

MOST_BYTES = 256 * 1024
"""Bytes of a message's value, and of a request's body."""
MOST_LETTER_BYTES = 900_000
"""Bytes of a dead letter's value, which holds a message in base64; with its headers it fits into what Kafka takes
(1 MiB)."""
LONGEST_TEXT = 16_384
"""Characters of any text, besides those below."""
LONGEST_ID = 1_024
"""Characters of an id, of a source, of each other attribute of an event, and of a name in JSON."""
LONGEST_ACTOR = 512
MOST_ENTRIES = 1_000
"""Entries of one list, and of one JSON object."""
MOST_OVERRIDES = 50
"""Entries of a list of overrides."""
DEEPEST = 32
"""Levels of lists and objects within one another."""
GREATEST = 2**53
"""The greatest whole number: up to here each is a floating-point number, too (RFC 8259, section 6)."""
MOST_HEADERS = 64
"""Headers of a message."""
LONGEST_HEADER = 8_192
"""Characters of a header's name and value together; an attribute of an event is shorter (``LONGEST_ID``)."""


class OutOfBounds(ValueError):
    """Input beyond a bound. The text says which, completes "it has …", and does not quote the input."""

    temporary = False


def read_json(data: bytes | str, most_bytes: int = MOST_BYTES) -> Any:
    """Read JSON. Raise ``OutOfBounds`` beyond a bound, and ``ValueError`` for what is no JSON."""
    if len(data) > most_bytes:
        raise OutOfBounds(f"more than {most_bytes:,} bytes")
    document = from_json(data, allow_inf_nan=False)
    _check(document, "", 1)
    return document


def check_json(data: bytes) -> None:
    """Raise ``OutOfBounds`` for JSON beyond a bound. What is no JSON is left to whoever reads it."""
    try:
        read_json(data)
    except OutOfBounds:
        raise
    except ValueError as error:
        if "hex escape" in str(error):  # other readers take it, and nothing can write it as UTF-8
            raise OutOfBounds("half of a character (a lone surrogate)") from None


def _check(value: Any, name: str, depth: int) -> None:
    """Raise ``OutOfBounds`` for a ``value`` beyond a bound, which stands under ``name`` in the innermost object."""
    if isinstance(value, str):
        if len(value) > (longest := _longest(name)):
            raise OutOfBounds(f"a text of more than {longest:,} characters")
    elif isinstance(value, float):
        if not isfinite(value):
            raise OutOfBounds("a number that is not finite")
        # each number so large is a whole one, and may become an integer
        if abs(value) > GREATEST:
            raise OutOfBounds(f"a whole number beyond {GREATEST:,}")
    elif isinstance(value, int):
        if abs(value) > GREATEST:
            raise OutOfBounds(f"a whole number beyond {GREATEST:,}")
    elif value is not None:
        _check_entries(value, name, depth)


def _check_entries(value: list[Any] | dict[str, Any], name: str, depth: int) -> None:
    if depth > DEEPEST:
        raise OutOfBounds(f"more than {DEEPEST} levels")
    if len(value) > (most := MOST_OVERRIDES if name == "overrides" else MOST_ENTRIES):
        raise OutOfBounds(f"a list or an object of more than {most:,} entries")
    if isinstance(value, list):
        for entry in value:
            _check(entry, name, depth + 1)
        return
    for key, entry in value.items():
        if len(key) > LONGEST_ID:
            raise OutOfBounds(f"a name of more than {LONGEST_ID:,} characters")
        _check(entry, key, depth + 1)


def _longest(name: str) -> int:
    if name == "actor":
        return LONGEST_ACTOR
    return LONGEST_ID if name.endswith("_id") else LONGEST_TEXT


def as_json(model: BaseModel) -> bytes:
    """Write a contract. Raise ``OutOfBounds`` for a number that is not finite: nobody could read it again."""
    data = model.model_dump_json().encode()
    if b"NaN" in data or b"Infinity" in data:  # in a text, too, so that a second look decides
        try:
            from_json(data, allow_inf_nan=False)
        except ValueError:
            raise OutOfBounds("a number that is not finite") from None
    return data
