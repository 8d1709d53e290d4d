"""Finds the snapshot that a rollback brings back, as far as it can be believed."""

from contracts.base import Target
from services._chassis.clock import Clock
from services._chassis.store import Store
from services.recovery.domain.protection import Protection
from services.recovery.domain.snapshots.proof import Proof
from services.recovery.domain.snapshots.snapshot import Snapshot
from services.recovery.jobs.tend import adopt
from services.recovery.ports.snapshots import Snapshots


async def find_snapshot(
    snapshots: Snapshots, store: Store, clock: Clock, target: Target, snapshot_id: str, protection: Protection
) -> Snapshot | None:
    """Read the snapshot; None where it is not in the bucket. Raise ``Unproven``, or ``AwsError``.

    One of a version before signatures must be from now on what it is now.
    """
    found = await snapshots.get(target, snapshot_id, protection.snapshots)
    if found is None:
        return None
    if found.proof is Proof.FIRST_USE:
        await store.apply(adopt(target, found, clock), cause="")
    return found.snapshot
