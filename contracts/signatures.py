"""What a signature covers, and who may have signed a message. Signing itself is ``services/_chassis/signatures.py``'s.

A message carries ``surefoot_signature: KEY:SIGNATURE``: the key's id, and the Ed25519 signature (RFC 8032) in base64.
"""

import base64
import binascii
from collections.abc import Iterable
from typing import NamedTuple, Self

from contracts.catalogue import CATALOGUE, entry_of_type
from contracts.dead_letter import GROUP_HEADER, LETTER_HEADER, REPLAY_HEADER
from contracts.topics import COMMAND_TOPICS, SERVICES, Party

SIGNATURE_HEADER = "surefoot_signature"
SIGNED_HEADERS = (
    "ce_specversion", "ce_type", "ce_source", "ce_id", "ce_time", "ce_subject", "ce_runid", "ce_causeid",
    "ce_expirytime",
)  # fmt: skip
"""All that is read of a message besides its body. Other headers, a mirror's or a tracer's, may come and go."""
_BEGIN = b"surefoot-signature-1"
"""Says what is signed and in which form, so that no signature for something else fits."""
_REPLAY = b"surefoot-replay-1"


class Signature(NamedTuple):
    """The value of ``SIGNATURE_HEADER``."""

    key_id: str
    signature: bytes

    @classmethod
    def parse(cls, header: bytes) -> Self:
        """Read the header's value. Raise ``ValueError`` for anything else."""
        key_id, separator, signature = header.decode("ascii").partition(":")
        if not separator:
            raise ValueError("no KEY:SIGNATURE")
        try:
            return cls(key_id, base64.b64decode(signature, validate=True))
        except binascii.Error as error:
            raise ValueError("the signature is not base64") from error

    @property
    def header(self) -> bytes:
        return f"{self.key_id}:{base64.b64encode(self.signature).decode()}".encode()


def signed_bytes(
    topic: str, key: bytes | None, headers: Iterable[tuple[str, bytes | None]], value: bytes | None
) -> bytes:
    """Return what is signed: ``surefoot-signature-1``, then topic, key, the headers of ``SIGNED_HEADERS``, the value.

    Each part follows its length in bytes, which is four bytes, the highest first, so that no two messages are alike.
    What is missing counts as empty.
    """
    given = dict(headers)
    return joined_parts(_BEGIN, (topic.encode(), key, *(given.get(name) for name in SIGNED_HEADERS), value))


def replay_bytes(
    topic: str, key: bytes | None, headers: Iterable[tuple[str, bytes | None]], value: bytes | None
) -> bytes:
    """Return what operators sign of a replay: ``surefoot-replay-1``, its group, its letter, by whom, the message."""
    headers = tuple(headers)
    given = dict(headers)
    about = (given.get(name) for name in (GROUP_HEADER, LETTER_HEADER, REPLAY_HEADER))
    return joined_parts(_REPLAY, (*about, signed_bytes(topic, key, headers, value)))


def joined_parts(begin: bytes, parts: Iterable[bytes | None]) -> bytes:
    """Return ``begin``, which says what is signed, and each part after its length; what is missing counts as empty."""
    return begin + b"".join(len(part or b"").to_bytes(4, "big") + (part or b"") for part in parts)


def writers_of(type_: str, topic: str) -> frozenset[Party]:
    """Return who may write a message of ``type_`` on ``topic``: nobody a type that belongs on another topic.

    Of an unknown type: whoever writes to that topic.
    """
    entry = entry_of_type(type_)
    if entry is not None:
        return entry.writers if entry.topic.name == topic else frozenset()
    return frozenset().union(*(entry.writers for entry in CATALOGUE if entry.topic.name == topic))


def asked_service(step: str) -> Party | None:
    """Return the service that the command of this name is sent to; None for a name that this version does not know."""
    asked = (COMMAND_TOPICS.get(entry.topic) for entry in CATALOGUE if entry.name == step)
    return next(asked, None)


def source_fits(party: Party, source: str) -> bool:
    """Return whether a writer may call itself ``source``: all that begins with ``surefoot/`` is ours alone."""
    if party in SERVICES:
        return source == f"surefoot/{party}"
    if party is Party.OPERATORS:
        return source == OPERATORS_SOURCE
    return source != "surefoot" and not source.startswith("surefoot/")


OPERATORS_SOURCE = "surefoot/cli"
"""What the command line calls itself where it settles dead letters."""
