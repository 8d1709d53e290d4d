"""What is kept for a month is compressed, since Redis holds all of it in memory.

JSON shrinks to a third. An answer is compressed against an example of one (``answer.example``), as half of what is left
of it otherwise are the names that all answers have.
"""

import zlib
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from importlib.resources import files

import orjson

WORTH_IT = 200
"""Bytes from which on it is compressed."""
_MARK = b"\x00z"
"""Begins what was compressed. No JSON begins so, and what version 0.1.0 kept is read as it is."""

_EXAMPLE = files(__package__).joinpath("answer.example").read_bytes()
"""It must never change: what was compressed against it cannot be read without it."""


def compact(data: bytes) -> bytes:
    """Return what is kept for ``data``."""
    if len(data) < WORTH_IT and not data.startswith(_MARK):
        return data
    return _MARK + zlib.compress(data, 9)


def expand(kept: bytes) -> bytes:
    """Return what was given to ``compact``. Raise ``zlib.error`` for what begins as if it came from there."""
    return zlib.decompress(kept[len(_MARK) :]) if kept.startswith(_MARK) else kept


def compact_answer(fields: Mapping[str, bytes]) -> bytes:
    """Return what is kept for an answer: the fields of its message, all of them texts in UTF-8."""
    packer = zlib.compressobj(9, zdict=_EXAMPLE)
    return packer.compress(orjson.dumps({name: value.decode() for name, value in fields.items()})) + packer.flush()


def expand_answer(kept: bytes) -> dict[bytes, bytes]:
    """Return the fields that were given to ``compact_answer``. Raise ``zlib.error`` for anything else."""
    unpacker = zlib.decompressobj(zdict=_EXAMPLE)
    text = unpacker.decompress(kept)
    if not unpacker.eof:
        raise zlib.error("it is cut off")
    return fields_of_json(text)


def fields_of_json(text: bytes) -> dict[bytes, bytes]:
    return {name.encode(): value.encode() for name, value in orjson.loads(text).items()}


def short(text: str) -> str:
    """Return 22 characters that stand for a text of any length, and no other text has (128 bits of SHA-256)."""
    return urlsafe_b64encode(sha256(text.encode()).digest()[:16]).decode().rstrip("=")
