"""API keys: ``sfk_ID_SECRET``, where SECRET is 256 random bits and a checksum. Pure.

Only the SHA-256 of a key is kept. That is enough, since nobody can try out 256 random bits; a slow hash, which
protects passwords, would let a few wrong keys a second occupy a processor.
"""

import hashlib
import hmac
import re
import secrets
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Self

from pydantic import StringConstraints, ValidationError

from contracts.access import Role, ShortName
from contracts.base import Contract
from contracts.prose import Plain

PREFIX = "sfk"
"""Before every key, so that programs which look for leaked secrets find them."""
MOST_LIVE = 2
"""Keys of one name that hold at a time: the old one and the one that replaces it."""
MOST_KEYS = 1_000
LONGEST_DAYS = 366
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_DIGITS = "abcdefghijklmnopqrstuvwxyz234567"
_ID_LENGTH = 10
_SECRET_LENGTH = 43
_SUM_LENGTH = 6
_FORM = re.compile(rf"{PREFIX}_([a-z2-7]{{{_ID_LENGTH}}})_([0-9A-Za-z]{{{_SECRET_LENGTH + _SUM_LENGTH}}})")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as its holder has it."""

    id: str
    text: str

    @classmethod
    def new(cls) -> Self:
        id_ = "".join(secrets.choice(_ID_DIGITS) for _ in range(_ID_LENGTH))
        secret = _in_base_62(secrets.randbits(256), _SECRET_LENGTH)
        return cls(id_, f"{PREFIX}_{id_}_{secret}{_checksum(id_ + secret)}")

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Return the key that ``text`` is; None for what cannot be one, as its checksum shows."""
        form = _FORM.fullmatch(text)
        if form is None:
            return None
        id_, secret, checksum = form[1], form[2][:_SECRET_LENGTH], form[2][_SECRET_LENGTH:]
        return cls(id_, text) if checksum == _checksum(id_ + secret) else None

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def _in_base_62(number: int, length: int) -> str:
    digits = ""
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits = _DIGITS[digit] + digits
    return digits


def _checksum(text: str) -> str:
    return _in_base_62(zlib.crc32(text.encode()), _SUM_LENGTH)


class KeyRecord(Contract):
    """A key as it is kept: everything but the key."""

    id: Annotated[str, StringConstraints(pattern=rf"^[a-z2-7]{{{_ID_LENGTH}}}$")]
    name: ShortName
    digest: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    """SHA-256 of the key, hexadecimal."""
    role: Role | None = None
    """The role that it has for every service, besides what the policy gives to ``key:NAME``."""
    created_at: datetime
    created_by: Plain = ""
    expires_at: datetime
    revoked_at: datetime | None = None

    @classmethod
    def parse(cls, kept: bytes | None) -> Self | None:
        """Return the record; None for what is none, which proves nobody."""
        try:
            return None if kept is None else cls.model_validate_json(kept)
        except ValidationError:
            return None

    def is_of(self, key: ApiKey) -> bool:
        return self.id == key.id and hmac.compare_digest(self.digest, key.digest)

    def why_not(self, now: datetime) -> str:
        """Return why the key does not hold, as a sentence without its full stop; empty where it does."""
        if self.revoked_at is not None:
            return "the key was revoked"
        return "the key has expired" if now >= self.expires_at else ""

    def revoked(self, now: datetime) -> Self:
        return self if self.revoked_at is not None else self.model_copy(update={"revoked_at": now})


def create(
    name: str, role: Role | None, days: int, known: list[KeyRecord], now: datetime, by: str
) -> tuple[ApiKey, KeyRecord]:
    """Return a new key and its record. Raise ``ValueError`` with a sentence where there may be none.

    Without ``role`` the key has that of the name's newest live key, which it is to replace.
    """
    live = [record for record in known if record.name == name and not record.why_not(now)]
    if len(live) >= MOST_LIVE:
        ids = ", ".join(record.id for record in live)
        raise ValueError(f"{name} has {MOST_LIVE} keys already ({ids}): revoke one of them first")
    if len(known) >= MOST_KEYS:
        raise ValueError(f"there are {MOST_KEYS} keys: forget revoked ones first")
    key = ApiKey.new()
    newest = max(live, key=lambda record: record.created_at, default=None)
    record = KeyRecord(
        id=key.id,
        name=name,
        digest=key.digest,
        role=role or (newest.role if newest else None),
        created_at=now.astimezone(UTC),
        created_by=by,
        expires_at=now.astimezone(UTC) + timedelta(days=days),
    )
    return key, record
