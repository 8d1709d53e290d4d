"""Whether the live service is still as its last good snapshot has it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from services.recovery.domain.protection import Protection
from services.recovery.domain.snapshots.comparable import Side
from services.recovery.domain.snapshots.compare import drift_of
from services.recovery.domain.snapshots.snapshot_index import SnapshotEntry

MOST_DIFFERENCES = 40
"""How many differences are told; a number stands for the rest."""


class DriftState(StrEnum):
    NONE = "none"
    DRIFTED = "drifted"
    NOT_JUDGED = "not-judged"


@dataclass(frozen=True, slots=True)
class Drift:
    state: DriftState
    sentence: str
    snapshot_id: str = ""
    """The snapshot that the service is compared with; empty where there is none."""
    differences: tuple[str, ...] = ()
    not_compared: tuple[str, ...] = ()


def not_judged(because: str) -> Drift:
    """Return that nothing was compared; ``because`` is a clause without a full stop."""
    return Drift(DriftState.NOT_JUDGED, f"Not compared, because {because}.")


def last_good(protection: Protection, live_deployment: str) -> SnapshotEntry | None:
    """Return the newest good snapshot; None where there is none."""
    return next(iter(good_snapshots(protection, live_deployment)), None)


def good_snapshots(protection: Protection, live_deployment: str) -> tuple[SnapshotEntry, ...]:
    """Return the proven snapshots, the newest first, without those of what was taken back.

    What was taken back and is live all the same, since somebody has deployed it again, is not among them only where its
    checks have passed since then: the snapshot is of the deployment that is live.
    """
    newest_first = sorted(protection.snapshots, key=lambda entry: (entry.taken_at, entry.snapshot_id), reverse=True)
    return tuple(entry for entry in newest_first if entry.proven and _stands(protection, entry, live_deployment))


def _stands(protection: Protection, entry: SnapshotEntry, live_deployment: str) -> bool:
    known = protection.taken_back(entry.deployment_id, entry.task_definition)
    if known is None:
        return True
    by_name = known.deployment_id == entry.deployment_id
    return not by_name and bool(live_deployment) and entry.deployment_id == live_deployment


def why_not_yet(protection: Protection, now: datetime, *, rolling_out: bool) -> str | None:
    """Return, as a clause, why the service cannot be compared now: it is being changed; None where it can."""
    if protection.rollback is not None:
        return f"{protection.rollback.rollback_id} is under way"
    if protection.arm is not None and protection.arm.active(now):
        return f"run {protection.arm.run_id} is under way"
    return "a deployment is under way" if rolling_out else None


def judge(snapshot_id: str, good: Side, live: Side) -> Drift:
    """Compare the live service with the snapshot."""
    found = drift_of(good, live)
    if not found.differences:
        return Drift(
            DriftState.NONE, f"The service is as in {snapshot_id}.", snapshot_id, not_compared=found.not_compared
        )
    count = len(found.differences)
    shown = found.differences[:MOST_DIFFERENCES]
    more = (f"{count - len(shown)} more settings differ.",) if count > len(shown) else ()
    settings = "one setting" if count == 1 else f"{count} settings"
    sentence = f"The service differs from its last good snapshot {snapshot_id} in {settings}."
    return Drift(DriftState.DRIFTED, sentence, snapshot_id, (*shown, *more), found.not_compared)


def view(target: str, drift: Drift, now: datetime) -> Mapping[str, Any]:
    """Return what the API shows."""
    return {
        "target": target,
        "checked_at": now,
        "state": drift.state,
        "sentence": drift.sentence,
        "snapshot_id": drift.snapshot_id or None,
        "differences": drift.differences,
        "not_compared": drift.not_compared,
    }
