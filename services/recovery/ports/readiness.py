"""Whether a snapshot can still be gone back to."""

from collections.abc import Sequence
from typing import Protocol

from contracts.base import Target
from services.recovery.domain.fargate_room import Vcpus
from services.recovery.domain.image_expiry import Deletion
from services.recovery.domain.readiness import Need
from services.recovery.domain.snapshots.snapshot import Snapshot


class Needs(Protocol):
    async def of(self, target: Target, snapshots: Sequence[Snapshot]) -> list[tuple[Need, ...]]:
        """Return what the version of each snapshot needs to start again. No error is raised."""
        ...


class Outlook(Protocol):
    """What may take a way back away before it is needed. No error is raised."""

    async def expiring(self, target: Target, snapshot: Snapshot) -> tuple[Deletion, ...]:
        """Return what lifecycle policies do with its images, or may do: sentences without a full stop."""
        ...

    async def vcpus(self, target: Target, *, spot: bool) -> Vcpus:
        """Return the quota of Fargate vCPUs, and how many are used; ``spot``: those of FARGATE_SPOT."""
        ...
