"""What recovery's routes take and answer."""

from typing import Self

from pydantic import Field, model_validator

from services._chassis.operations import Accepted, Requested
from services.recovery.domain.snapshot import SnapshotId


def _is_unset(value: object) -> bool:
    """Return whether a field says nothing: a body of the previous version keeps its digest."""
    return not value


class RollbackRequest(Requested):
    """The body of the requirements (docs/requirements.md), with the person who asks."""

    snapshot_id: SnapshotId | None = None
    dry_run: bool = False
    latest_proven: bool = Field(default=False, exclude_if=_is_unset)
    """In place of an id: the newest proven snapshot that was not taken back, and from which the service differs."""
    force: bool = Field(default=False, exclude_if=_is_unset)
    """Try it although something that the snapshot needs is not there any more."""

    @model_validator(mode="after")
    def _one_is_named(self) -> Self:
        if (self.snapshot_id is None) is not self.latest_proven:
            raise ValueError("name exactly one of snapshot_id and latest_proven")
        return self


class SnapshotAccepted(Accepted):
    snapshot_id: str


class RollbackAccepted(Accepted):
    rollback_id: str
    snapshot_id: str
