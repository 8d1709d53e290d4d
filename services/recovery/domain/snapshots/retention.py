"""How long snapshots are kept, and which of what the bucket has are looked at."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from contracts.policy import Recovery
from services.recovery.domain.protection import Protection
from services.recovery.domain.snapshots.snapshot import taken_by_name
from services.recovery.domain.snapshots.snapshot_index import SnapshotEntry

AHEAD = timedelta(days=1)
"""How far ahead of now a snapshot's id may be: clocks differ, and what is later was put there by hand."""
LONGEST_NAME = 60


def needed(protection: Protection) -> frozenset[str]:
    """Return the ids of the snapshots that an arm or a rollback may bring back."""
    users = (protection.arm, protection.rollback)
    return frozenset(user.snapshot_id for user in users if user is not None)


def keep(
    index: Sequence[SnapshotEntry], needed: frozenset[str], now: datetime, recovery: Recovery
) -> tuple[tuple[SnapshotEntry, ...], tuple[SnapshotEntry, ...]]:
    """Return the entries that are kept and those that are deleted, each with the newest first.

    At most ``recovery.keep`` are kept, none older than ``recovery.retention_days``; further snapshots of a version make
    room for those of others, so that retries do not push out what one would go back to. Always kept are those that are
    ``needed`` (armed, being restored), the newest, the newest proven one, and the one before it. While none is proven,
    adopted ones do not grow too old: then Redis may have been lost, and they are all that there is to go back to.
    """
    newest_first = sorted(index, key=lambda entry: (entry.taken_at, entry.snapshot_id), reverse=True)
    proven = next((entry for entry in newest_first if entry.proven), None)
    safe = needed | {entry.snapshot_id for entry in (*newest_first[:1], *_proven_and_before(newest_first))}
    best = {entry.snapshot_id for entry in _best_of_versions(newest_first)}
    oldest = now - timedelta(days=recovery.retention_days)
    room = recovery.keep - sum(entry.snapshot_id in safe for entry in newest_first)
    others = [entry for entry in newest_first if entry.snapshot_id not in safe]
    young = [
        entry
        for entry in sorted(others, key=lambda entry: entry.snapshot_id not in best)
        if entry.taken_at >= oldest or (proven is None and entry.adopted_at is not None)
    ]
    stay = safe | {entry.snapshot_id for entry in young[: max(0, room)]}
    kept = tuple(entry for entry in newest_first if entry.snapshot_id in stay)
    return kept, tuple(entry for entry in newest_first if entry.snapshot_id not in stay)


def _proven_and_before(newest_first: Sequence[SnapshotEntry]) -> tuple[SnapshotEntry, ...]:
    """Return the newest proven snapshot and the one before it: of another version, a proven one if there is any."""
    proven = next((entry for entry in newest_first if entry.proven), None)
    if proven is None:
        return ()
    older = newest_first[newest_first.index(proven) + 1 :]
    before = [entry for entry in older if entry.task_definition != proven.task_definition]
    return proven, *sorted(before, key=lambda entry: not entry.proven)[:1]


def _best_of_versions(newest_first: Sequence[SnapshotEntry]) -> Iterable[SnapshotEntry]:
    """Return one snapshot of each version: the newest that is proven, or else the newest."""
    best: dict[str, SnapshotEntry] = {}
    for entry in newest_first:
        known = best.setdefault(entry.task_definition, entry)
        if entry.proven and not known.proven:
            best[entry.task_definition] = entry
    return best.values()


def left_over(ids: Sequence[str], index: Sequence[SnapshotEntry], now: datetime, recovery: Recovery) -> tuple[str, ...]:
    """Return the ids of what is stored, not in the index, and older than snapshots are kept.

    Nothing where the index knows no proven version: then Redis may have been lost, and what is stored is all that there
    is to go back to.
    """
    if not any(entry.proven for entry in index):
        return ()
    known, oldest = {entry.snapshot_id for entry in index}, now - timedelta(days=recovery.retention_days)
    return tuple(
        id_ for id_ in ids if id_ not in known and (taken := taken_by_name(id_)) is not None and taken < oldest
    )


class Choice(NamedTuple):
    """What of a target's names in the bucket is looked at."""

    wanted: tuple[str, ...]
    """The ids to read, the newest first."""
    foreign: dict[str, str]
    """Name → why it is no snapshot."""
    unread: int
    """How many others there are."""


def worth_reading(ids: Sequence[str], index: Sequence[SnapshotEntry], now: datetime, most: int) -> Choice:
    """Choose what to read: all that the index knows, and ``most`` others at most.

    Anybody who may write to the bucket may have put others there, under names that sort before.
    """
    known = {entry.snapshot_id for entry in index}.intersection(ids)
    foreign = {name: why for name in ids if name not in known and (why := _why_no_snapshot(name, now))}
    others = [name for name in ids if name not in known and name not in foreign]
    wanted = tuple(sorted({*known, *others[:most]}, reverse=True))
    shown = {_shown(name): why for name, why in list(foreign.items())[:most]}
    return Choice(wanted, shown, len(ids) - len(wanted) - len(shown))


def _why_no_snapshot(id_: str, now: datetime) -> str | None:
    taken = taken_by_name(id_)
    if taken is None:
        return "its name is no snapshot's id"
    return "its id is of a time to come" if taken > now + AHEAD else None


def _shown(name: str) -> str:
    """Return a name as it may be shown, whoever has chosen it."""
    return "".join(letter if letter.isascii() and letter.isprintable() else "?" for letter in name[:LONGEST_NAME])
