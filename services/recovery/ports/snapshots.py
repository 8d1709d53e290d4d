"""What a snapshot has beside ECS's answers, and where snapshots are stored."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

from contracts.base import Target
from services.recovery.domain.change import Body
from services.recovery.domain.snapshots.proof import ProvenSnapshot, StoredObject
from services.recovery.domain.snapshots.snapshot import Snapshot
from services.recovery.domain.snapshots.snapshot_index import SnapshotEntry


class Surroundings(Protocol):
    async def around(self, target: Target, service: Body) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Return load balancing, scaling, network and Cloud Map, and a sentence for each part that was not read."""
        ...

    async def watched(self, target: Target, service: Body, definition: Body) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Return log groups, alarms, the dashboard and who lets the service in, and what could not be read."""
        ...


class Objects(Protocol):
    """The backup bucket."""

    async def put(self, target: Target, snapshot_id: str, stored: StoredObject, *, again: bool = False) -> bool:
        """Store an object; return False if there is one already. ``again``: replace it."""
        ...

    async def get(self, target: Target, snapshot_id: str) -> StoredObject | None:
        """Return an object as it is now. Raise ``Unproven`` for one that is too large for a snapshot."""
        ...

    async def ids(self, target: Target) -> list[str]:
        """Return the names of all objects of a target, the highest first. Anybody may have put them there."""
        ...

    async def targets(self) -> list[Target]:
        """Return the targets of which there are objects, in the order of their names."""
        ...

    async def delete(self, target: Target, snapshot_id: str) -> None: ...


class Snapshots(Protocol):
    """The stored snapshots. ``index``: what the state of their target knows of them."""

    @property
    def own_key(self) -> str:
        """Return the id of the key that signs; empty where nothing is signed."""
        ...

    async def put(self, snapshot: Snapshot) -> ProvenSnapshot | None:
        """Store a snapshot; return None if one with this id is stored already."""
        ...

    async def get(self, target: Target, snapshot_id: str, index: Sequence[SnapshotEntry]) -> ProvenSnapshot | None:
        """Return a snapshot; None if there is none. Raise ``Unproven`` for one that must not be used."""
        ...

    async def adopt(self, target: Target, snapshot_id: str, index: Sequence[SnapshotEntry]) -> ProvenSnapshot | None:
        """Return a snapshot that has this service's signature from now on, where there are signatures.

        Raise ``Unproven``.
        """
        ...

    async def unindexed(self, target: Target, now: datetime, most: int) -> list[ProvenSnapshot]:
        """Return the newest snapshots, ``most`` at most, that are believed only while the index of the target is empty.

        None where signatures are demanded: those that are signed prove themselves.
        """
        ...

    async def ids(self, target: Target) -> list[str]:
        """Return the ids under which something is stored for a target, the newest first."""
        ...

    async def targets(self) -> list[Target]:
        """Return the targets of which something is stored, in the order of their names."""
        ...

    async def delete(self, target: Target, snapshot_id: str) -> None: ...
