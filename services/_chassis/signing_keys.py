"""Signing keys in files: private keys in PEM, and one YAML file of the public keys that are trusted.

```yaml
version: 1
keys:
  - {party: recovery, public: 9n0…=}
  - {party: ci, name: team-a, public: KJ2…=, until: 2027-03-01T00:00:00Z}
```
"""

import base64
import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from contracts.topics import SERVICES, Party

SIGNING = (*SERVICES, Party.CI, Party.OPERATORS)
"""The parties that sign: all that write by the catalogue."""
PRIVATE = "key.pem"
TRUSTED = "trusted.yaml"
LARGEST_FILE = 1_000_000
"""Bytes of the file of trusted keys."""
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class KeyFault(ValueError):
    """A file of keys cannot be used. The text is a sentence for the operator, without a key."""


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A public key, and who holds its private one."""

    party: Party
    public: Ed25519PublicKey
    name: str = ""
    """Which outsider of several: the name of a pipeline or of a team. Services have none."""
    until: datetime | None = None
    """What is published later is not believed. Before a key is removed it is retired, so that what it has signed
    can still be read again."""

    @property
    def id(self) -> str:
        return key_id(self.public)

    @property
    def named(self) -> str:
        """Return the holder: ``recovery``, or ``ci:team-a``."""
        return f"{self.party}:{self.name}" if self.name else str(self.party)

    @property
    def entry(self) -> dict[str, str]:
        """Return the key as the file has it."""
        parts = {"party": str(self.party), "name": self.name, "public": base64.b64encode(_raw(self.public)).decode()}
        until = {"until": self.until.isoformat()} if self.until else {}
        return {name: value for name, value in parts.items() if value} | until


def _raw(public: Ed25519PublicKey) -> bytes:
    return public.public_bytes_raw()


def key_id(public: Ed25519PublicKey) -> str:
    """Return a key's id: the first 16 hexadecimal digits of the SHA-256 of its 32 bytes."""
    return hashlib.sha256(_raw(public)).hexdigest()[:16]


def read_private(path: Path) -> Ed25519PrivateKey:
    """Read a private key. Raise ``KeyFault``."""
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise KeyFault(f"the signing key {path} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyFault(f"{path} has no private key in PEM without a password") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFault(f"{path} has no Ed25519 key: surefoot signing-keys create makes one")
    return key


def read_trusted(path: Path) -> dict[str, TrustedKey]:
    """Read the trusted keys, by id. Raise ``KeyFault``."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise KeyFault(f"{path} is larger than {LARGEST_FILE} bytes")
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise KeyFault(f"the trusted keys {path} cannot be read: {reason}") from error
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError):
        raise KeyFault(f"{path} is no YAML") from None
    if not isinstance(content, dict) or content.get("version") != 1 or not isinstance(content.get("keys"), list):
        raise KeyFault(f"{path} must have version: 1 and a list of keys")
    found = [_trusted(entry, f"{path}, key {number}") for number, entry in enumerate(content["keys"], 1)]
    by_id = {key.id: key for key in found}
    if len(by_id) < len(found):
        raise KeyFault(f"{path} has a key twice: one key belongs to one party")
    return by_id


def _trusted(entry: Any, where: str) -> TrustedKey:
    unknown = set(entry) - {"party", "name", "public", "until"} if isinstance(entry, dict) else {"no mapping"}
    if unknown:
        raise KeyFault(f"{where}: party, public, name and until are known, not {', '.join(sorted(map(str, unknown)))}")
    party, name, until = entry.get("party"), entry.get("name", ""), entry.get("until")
    if party not in SIGNING:
        raise KeyFault(f"{where}: party must be one of {', '.join(SIGNING)}")
    if name and (party in SERVICES or not isinstance(name, str) or not NAME.fullmatch(name)):
        raise KeyFault(f"{where}: name is for outside parties, and has small letters, digits and hyphens")
    if until is not None and (not isinstance(until, datetime) or until.tzinfo is None):
        raise KeyFault(f"{where}: until must be a moment with its time zone, as 2027-03-01T00:00:00Z")
    try:
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(str(entry.get("public")), validate=True))
    except ValueError:
        raise KeyFault(f"{where}: public must be the 32 bytes of an Ed25519 key in base64") from None
    return TrustedKey(Party(party), public, name, until)


def write_trusted(path: Path, keys: Iterable[TrustedKey]) -> None:
    """Replace the file of trusted keys, in one step."""
    content = {"version": 1, "keys": [key.entry for key in keys]}
    new = path.with_suffix(".new")
    text = yaml.safe_dump(content, sort_keys=False, default_flow_style=False)
    # a moment is written without quotes, so that YAML reads it as one
    new.write_text(re.sub(r"until: '(.*)'", r"until: \1", text))
    new.replace(path)


def private_path(directory: Path, holder: str) -> Path:
    return directory / holder / PRIVATE


def trusted_path(directory: Path) -> Path:
    return directory / "trusted" / TRUSTED


def create(directory: Path, party: Party, name: str = "") -> TrustedKey:
    """Make a key, which nobody trusts yet: its private part is ``HOLDER/key.pem`` in ``directory``, for its owner only.

    Raise ``FileExistsError`` where there is one already.
    """
    path = private_path(directory, name or party)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    private = Ed25519PrivateKey.generate()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return TrustedKey(party, private.public_key(), name)


def create_all(directory: Path) -> Mapping[str, str]:
    """Make a key for each party that has none there, and trust it; return the settings that use them.

    A key that is there already is left as it is. Raise ``KeyFault`` where the trusted keys cannot be read.
    """
    trusted = trusted_path(directory)
    keys = [*read_trusted(trusted).values()] if trusted.exists() else []
    new = [party for party in SIGNING if not private_path(directory, party).exists()]
    if new:
        trusted.parent.mkdir(parents=True, exist_ok=True)
        write_trusted(trusted, (*keys, *(create(directory, party) for party in new)))
    return {
        "SUREFOOT_SIGNATURES": "demanded",
        "SUREFOOT_SIGNING_KEY": str(private_path(directory, "{party}")),
        "SUREFOOT_TRUSTED_KEYS": str(trusted),
    }


def retired(key: TrustedKey, now: datetime) -> TrustedKey:
    """Return the key as it is trusted from now on: for what it has signed before."""
    return TrustedKey(key.party, key.public, key.name, now.astimezone(UTC))
