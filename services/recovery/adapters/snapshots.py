"""The stored snapshots: signed when they are written, proven before they are read."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import ValidationError

from contracts.base import Target
from contracts.topics import Party
from services._chassis.signatures import Identity, Signatures, Untrusted
from services._chassis.signing_keys import TrustedKey
from services.recovery.domain.snapshots.proof import (
    Proof,
    ProvenSnapshot,
    StoredObject,
    Unproven,
    check_parts,
    check_place,
    proof_of,
    sealed_bytes,
)
from services.recovery.domain.snapshots.retention import worth_reading
from services.recovery.domain.snapshots.snapshot import Snapshot
from services.recovery.domain.snapshots.snapshot_index import SnapshotEntry
from services.recovery.ports.snapshots import Objects


@dataclass(frozen=True, slots=True)
class SignedSnapshots:
    """Where signatures are off nothing is signed, and the index alone proves a snapshot."""

    objects: Objects
    identity: Identity

    @property
    def own_key(self) -> str:
        return self.identity.signer.key_id if self.identity.signer else ""

    async def put(self, snapshot: Snapshot) -> ProvenSnapshot | None:
        stored = self._sealed(snapshot.target, snapshot.snapshot_id, snapshot.model_dump_json().encode())
        if not await self.objects.put(snapshot.target, snapshot.snapshot_id, stored):
            return None
        return ProvenSnapshot(snapshot, stored.sha256, Proof.SIGNATURE if self.own_key else Proof.NONE, self.own_key)

    async def get(self, target: Target, snapshot_id: str, index: Sequence[SnapshotEntry]) -> ProvenSnapshot | None:
        found = await self.objects.get(target, snapshot_id)
        return None if found is None else self._proven(target, snapshot_id, index, found)

    async def adopt(self, target: Target, snapshot_id: str, index: Sequence[SnapshotEntry]) -> ProvenSnapshot | None:
        found = await self.objects.get(target, snapshot_id)
        if found is None:
            return None
        proven = self._proven(target, snapshot_id, index, found)
        if proven.signed_with == self.own_key:
            return proven
        await self.objects.put(target, snapshot_id, self._sealed(target, snapshot_id, found.body), again=True)
        return replace(proven, signed_with=self.own_key)

    async def unindexed(self, target: Target, now: datetime, most: int) -> list[ProvenSnapshot]:
        if self.identity.trust.mode is Signatures.DEMANDED:
            return []
        found = []
        for snapshot_id in worth_reading(await self.ids(target), (), now, most).wanted:
            try:
                proven = await self.get(target, snapshot_id, ())
            except Unproven:
                continue
            if proven is not None and proven.proof is Proof.NONE:
                found.append(proven)
        return found

    async def ids(self, target: Target) -> list[str]:
        return await self.objects.ids(target)

    async def targets(self) -> list[Target]:
        return await self.objects.targets()

    async def delete(self, target: Target, snapshot_id: str) -> None:
        await self.objects.delete(target, snapshot_id)

    def _proven(
        self, target: Target, snapshot_id: str, index: Sequence[SnapshotEntry], found: StoredObject
    ) -> ProvenSnapshot:
        key, wrong = self._signer(target, snapshot_id, found)
        demanded = self.identity.trust.mode is Signatures.DEMANDED
        proof = proof_of(found.sha256, snapshot_id, index, signed=key is not None, wrong=wrong, demanded=demanded)
        snapshot = _read(found.body)
        check_place(snapshot, target, snapshot_id)
        check_parts(snapshot)
        return ProvenSnapshot(snapshot, found.sha256, proof, key.id if key else "")

    def _sealed(self, target: Target, snapshot_id: str, body: bytes) -> StoredObject:
        signer = self.identity.signer
        return StoredObject(body, signer.signature_of(sealed_bytes(target, snapshot_id, body)) if signer else b"")

    def _signer(self, target: Target, snapshot_id: str, found: StoredObject) -> tuple[TrustedKey | None, str]:
        """Return the key of recovery that has signed it, or why its signature does not hold; neither without one."""
        trust = self.identity.trust
        if not found.signature or trust.mode is Signatures.OFF:
            return None, ""
        try:
            key = trust.signer_of(found.signature, sealed_bytes(target, snapshot_id, found.body))
        except Untrusted as error:
            return None, str(error)
        if key.party is not Party.RECOVERY:
            return None, f"{key.named} has signed it, and only recovery stores snapshots"
        if key.until is not None and _read(found.body).taken_at > key.until:
            return None, f"the key {key.id} of {key.named} was retired before it was taken"
        return key, ""


def _read(body: bytes) -> Snapshot:
    try:
        return Snapshot.model_validate_json(body)
    except ValidationError:
        # pydantic's error would quote the snapshot, secrets included
        raise Unproven("it cannot be read") from None
