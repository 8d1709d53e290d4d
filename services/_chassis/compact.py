"""What is kept for a month is compressed, since Redis holds all of it in memory: JSON shrinks to a third."""

import zlib
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256

import orjson

WORTH_IT = 200
"""Bytes from which on it is compressed."""
_MARK = b"\x00z"
"""Begins what was compressed. No JSON begins so, and what version 0.1.0 kept is read as it is."""


def compact(data: bytes) -> bytes:
    """Return what is kept for ``data``."""
    if len(data) < WORTH_IT and not data.startswith(_MARK):
        return data
    return _MARK + zlib.compress(data, 9)


def expand(kept: bytes) -> bytes:
    """Return what was given to ``compact``. Raise ``zlib.error`` for what begins as if it came from there."""
    return zlib.decompress(kept[len(_MARK) :]) if kept.startswith(_MARK) else kept


def compact_fields(fields: Mapping[str, bytes]) -> bytes:
    """Return what is kept for fields, all of them texts in UTF-8."""
    return compact(orjson.dumps({name: value.decode() for name, value in fields.items()}))


def expand_fields(kept: bytes) -> dict[bytes, bytes]:
    return {name.encode(): value.encode() for name, value in orjson.loads(expand(kept)).items()}


def short(text: str) -> str:
    """Return 22 characters that stand for a text of any length, and no other text has (128 bits of SHA-256)."""
    return urlsafe_b64encode(sha256(text.encode()).digest()[:16]).decode().rstrip("=")
