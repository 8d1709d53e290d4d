"""Whether a stored snapshot is the one that recovery has stored: by the index, by its signature, or not at all."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from contracts.base import Target
from contracts.signatures import joined_parts
from services.recovery.domain.ecs_service import primary_of
from services.recovery.domain.snapshots.snapshot import Snapshot
from services.recovery.domain.snapshots.snapshot_index import SnapshotEntry

_BEGIN = b"surefoot-snapshot-1"
"""Says what is signed, so that no signature of a message fits a snapshot, and the other way round."""


class Unproven(Exception):
    """A stored snapshot that is not used. The text says why and does not quote it."""


class Proof(StrEnum):
    """How it is known that a snapshot is as it was stored."""

    INDEX = "index"
    """Its SHA-256 is the one in the index, which is in Redis."""
    SIGNATURE = "signature"
    """The index has none, and recovery's signature holds for this target, this id and these bytes."""
    FIRST_USE = "first-use"
    """A version before signatures has stored it: the index knows it without a hash, and takes the hash that it has."""
    NONE = "none"
    """The index is empty, and signatures are not demanded: it is believed as it is."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """A snapshot as the bucket has it."""

    body: bytes
    signature: bytes = b""
    """``KEY:SIGNATURE``; empty where it has none."""

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.body).hexdigest()


@dataclass(frozen=True, slots=True)
class ProvenSnapshot:
    """A snapshot that may be used."""

    snapshot: Snapshot
    sha256: str
    proof: Proof
    signed_with: str = ""
    """The id of the trusted key whose signature it has; empty without one, and where signatures are off."""


def sealed_bytes(target: Target, snapshot_id: str, body: bytes) -> bytes:
    """Return what is signed of a snapshot: which one it is, whose, and every byte of it."""
    return joined_parts(_BEGIN, (str(target).encode(), snapshot_id.encode(), body))


def proof_of(
    sha256: str, snapshot_id: str, index: Sequence[SnapshotEntry], *, signed: bool, wrong: str, demanded: bool
) -> Proof:
    """Return by what a snapshot is proven. Raise ``Unproven``.

    ``signed``: recovery's signature holds. ``wrong``: why the signature that it has does not hold; empty where it has
    none. ``demanded``: what has neither signature nor place in the index is not used. The index is believed first: it
    knows the bytes, whatever has become of keys.
    """
    entry = next((entry for entry in index if entry.snapshot_id == snapshot_id), None)
    if entry is not None and entry.sha256:
        if entry.sha256 != sha256:
            raise Unproven("it was changed after it was stored: its SHA-256 is not the one in the index")
        return Proof.INDEX
    if signed:
        return Proof.SIGNATURE
    if wrong:
        raise Unproven(wrong)
    if entry is not None and not (demanded and entry.indexed_again):
        return Proof.FIRST_USE
    if entry is not None:
        raise Unproven(
            "it is not signed, and the index has lost its SHA-256 with Redis: who has put it there is not known"
        )
    if demanded or index:
        raise Unproven("it is not signed, and the index does not know it: who has put it there is not known")
    return Proof.NONE


def check_parts(snapshot: Snapshot) -> None:
    """Raise ``Unproven`` for a snapshot that lacks what each has: recovery has stored none such."""
    try:
        _ = snapshot.version, snapshot.pinned_definition, primary_of(snapshot.service)["id"]
    except (LookupError, TypeError, AttributeError):
        raise Unproven("parts are missing that each snapshot has") from None


def check_place(snapshot: Snapshot, target: Target, snapshot_id: str) -> None:
    """Raise ``Unproven`` for a snapshot of another service, or under another id."""
    if snapshot.target != target:
        raise Unproven("it is a snapshot of another service")
    if snapshot.snapshot_id != snapshot_id:
        raise Unproven("it is another snapshot under this id")
