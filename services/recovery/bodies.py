"""What recovery's routes take and answer."""

from services._chassis.operations import Accepted, Requested
from services.recovery.domain.snapshot import SnapshotId


class RollbackRequest(Requested):
    """The body of the requirements (docs/requirements.md), with the person who asks."""

    snapshot_id: SnapshotId
    dry_run: bool = False


class SnapshotAccepted(Accepted):
    snapshot_id: str


class RollbackAccepted(Accepted):
    rollback_id: str
    snapshot_id: str
