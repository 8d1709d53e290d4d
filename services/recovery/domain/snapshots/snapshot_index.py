"""The index of a target's stored snapshots: what its state knows of each of them."""

from datetime import datetime
from typing import Self

from contracts.base import Contract
from contracts.schema_status import Revision
from contracts.state import State


class SnapshotEntry(Contract):
    """One line of the index of snapshots."""

    snapshot_id: str
    task_definition: str
    deployment_id: str | None = None
    """Id of the primary deployment when the snapshot was taken; None in an older index, which did not have it."""
    taken_at: datetime
    proven: bool = False
    """Whether it passed the gates after a change, or a rollback to it ended healthy."""
    sha256: str = ""
    """The hash of its bytes; empty where a version before signatures has stored it, until it is adopted."""
    signed_with: str = ""
    """The id of the key that has signed it last; empty where it is not signed, or where that is not known."""
    indexed_again: bool = False
    """An event told it after Redis had been lost or restored. Without a hash it is of a version before signatures; it
    has been signed since, or is not used where signatures are demanded."""
    schema_revisions: tuple[Revision, ...] = ()
    """The revisions of its database, as the application told them; empty where it told none."""
    adopted_at: datetime | None = None
    """When its hash was taken from the bucket: it is of a version before signatures, or Redis was lost and it is not
    signed. None for all others."""


class SnapshotIndex(State):
    """The part of a target's state that knows its snapshots."""

    snapshots: tuple[SnapshotEntry, ...] = ()
    """The index of the stored snapshots, the newest first."""

    def has_snapshot(self, snapshot_id: str) -> bool:
        return any(entry.snapshot_id == snapshot_id for entry in self.snapshots)

    def adopted(self, snapshot_id: str, sha256: str, signed_with: str, now: datetime) -> Self:
        """Return the index with what is known of a snapshot's bytes. A hash that it had already stays."""

        def known(entry: SnapshotEntry) -> SnapshotEntry:
            if entry.snapshot_id != snapshot_id or entry.sha256 not in {"", sha256}:
                return entry
            adopted_at = entry.adopted_at if entry.sha256 else now
            return entry.model_copy(
                update={"sha256": sha256, "signed_with": signed_with or entry.signed_with, "adopted_at": adopted_at}
            )

        return self.replace(snapshots=tuple(map(known, self.snapshots)))

    def deployment_of(self, snapshot_id: str) -> str | None:
        """Return the id of the primary deployment when the snapshot was taken; None where that is not known."""
        return next((entry.deployment_id for entry in self.snapshots if entry.snapshot_id == snapshot_id), None)
