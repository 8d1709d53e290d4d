"""Whether one can go back: to which snapshots, and by which plans. What could not be read is unknown, never "no"."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import floor
from typing import Any

from contracts.deployment import Cause
from contracts.gates import Gate
from contracts.prose import quote
from contracts.rollout_pace import RolloutPace
from services.recovery.domain.arm import Refusal
from services.recovery.domain.image_expiry import Deletion
from services.recovery.domain.recovery_plans import Plan
from services.recovery.domain.snapshots.snapshot_index import SnapshotEntry

SPOT_ALONE = "it would run on FARGATE_SPOT alone, so that nothing starts while there is no Spot capacity"


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that a version needs to start again."""

    what: str
    """Its kind and its name: ``the role ecsTaskRole``."""
    there: bool | None
    """None: it could not be read."""
    why: str = ""
    """Why it is not known; of what is not there, a clause where it is there and cannot be used: ``is EXPIRED``."""
    changed_at: float | None = None
    """When a secret or a parameter was changed last (epoch seconds)."""
    free: int | None = None
    """How many addresses a subnet has left."""
    beware: str = ""
    """What may surprise although it is there, a clause."""
    without_it: str = ""
    """What happens where it is not there, a clause, of what a service can run without; else empty."""


@dataclass(frozen=True, slots=True)
class Room:
    """The room that a rollback has to start and to stop tasks."""

    pace: RolloutPace
    """With the percentages of the snapshot."""
    rolling: bool = True
    """False: the percentages do not decide, as with a DAEMON service."""
    spot_alone: bool = False
    no_place: str = ""
    """What ECS said in the last minutes where it found no place for a task: a quota of the account; else empty."""


@dataclass(frozen=True, slots=True)
class WayBack:
    """A snapshot, and whether one can go back to it."""

    entry: SnapshotEntry
    can: bool | None
    because: tuple[str, ...] = ()
    """Clauses: what stands in the way, or what is not known."""
    beware: tuple[str, ...] = ()
    """Sentences without a full stop: what does not stand in the way, and may surprise."""
    live: bool = False
    """Whether it is of the version that is live."""
    soon: tuple[str, ...] = ()
    """Those of ``beware`` by which it is lost soon."""

    @property
    def version(self) -> str:
        """Return ``family:revision``."""
        return self.entry.task_definition.rpartition("/")[2]

    @property
    def sentence(self) -> str:
        if self.can is True:
            return "You can go back to it."
        reasons = "; ".join(self.because)
        return f"You cannot go back to it, because {reasons}." if self.can is False else f"Not known: {reasons}."


@dataclass(frozen=True, slots=True)
class Readiness:
    ways: tuple[WayBack, ...]
    """The newest first."""
    good: tuple[str, ...] = ()
    """The ids of the last good snapshot and of the good one before it, as far as there are any."""
    plans: tuple[Plan, ...] = ()

    @property
    def lost(self) -> tuple[str, ...]:
        """Return a sentence for each good snapshot to which one cannot go back."""
        return tuple(
            f"You cannot go back to {way.version} ({way.entry.snapshot_id}), because {'; '.join(way.because)}."
            for way in self._good
            if way.can is False
        )

    @property
    def soon(self) -> tuple[str, ...]:
        """Return a sentence for each reason for which a good snapshot cannot be gone back to before long."""
        return tuple(
            f"The way back to {way.version} ({way.entry.snapshot_id}) is lost soon: {clause}."
            for way in self._good
            for clause in way.soon
            if way.can is not False
        )

    @property
    def unknown(self) -> bool:
        """Return whether it is not known of a good snapshot: then nothing is said to be lost or regained."""
        return any(way.can is None for way in self._good)

    @property
    def ready(self) -> bool | None:
        """Return whether one can go back to every good snapshot; None where that is not known, or there is none."""
        if self.lost:
            return False
        return None if self.unknown or not self._good else True

    @property
    def sentence(self) -> str:
        if self.lost:
            return " ".join(self.lost)
        if not self._good:
            return "There is no proven snapshot to go back to: the checks after a deployment by Surefoot prove one."
        if self.unknown:
            return "Whether you can go back is not known in all."
        named = " and ".join(f"{way.version} ({way.entry.snapshot_id})" for way in self._good)
        return f"You can go back to {named}."

    @property
    def _good(self) -> tuple[WayBack, ...]:
        return tuple(way for way in self.ways if way.entry.snapshot_id in self.good)


def judge(entry: SnapshotEntry, needs: Sequence[Need], room: Room, *, live: bool) -> WayBack:
    """Return whether one can go back to a snapshot that is there."""
    missing = [f"{need.what} is not there any more" for need in needs if need.there is False]
    unknown = [f"{need.what} could not be looked at ({need.why})" for need in needs if need.there is None]
    missing += _no_room(needs, room)
    beware = [SPOT_ALONE] if room.spot_alone else []
    beware += [
        f"{need.what} was changed at {_moment(need.changed_at)}, after the snapshot: its version reads the new value"
        for need in needs
        if need.changed_at is not None and need.changed_at > entry.taken_at.timestamp()
    ]
    beware += _little_room(needs, room)
    can = False if missing else None if unknown else True
    return WayBack(entry, can, tuple(missing or unknown), tuple(beware), live=live)


def behind(way: WayBack, why: str) -> WayBack:
    """Return the way back with a migration between it and now; ``why``: a clause, empty where there is none.

    What is live already runs with the schema as it is.
    """
    if not why or way.live:
        return way
    return replace(way, can=False, because=(why, *(way.because if way.can is False else ())))


def ahead(way: WayBack, deletions: Sequence[Deletion], quota: str) -> WayBack:
    """Return the way back with what may take it away before it is needed. ``quota``: empty where there is room."""
    clauses = tuple(deletion.clause for deletion in deletions)
    soon = tuple(deletion.clause for deletion in deletions if deletion.soon)
    return replace(way, beware=(*way.beware, *clauses, *((quota,) if quota else ())), soon=soon)


def _no_room(needs: Sequence[Need], room: Room) -> list[str]:
    found = []
    pace = room.pace
    if room.rolling and pace.tasks and pace.slots < 1:
        found.append(
            f"ECS could neither start nor stop a task: of {pace.tasks}, minimumHealthyPercent {pace.minimum_percent:g} "
            f"and maximumPercent {pace.maximum_percent:g} leave no room"
        )
    free = _free(needs)
    if free == 0 and _starts_first(room):
        found.append("its subnets have no free address, and a new task starts before an old one stops")
    if room.no_place:
        found.append(f"ECS finds no place for tasks: {quote(room.no_place)}")
    return found


def _little_room(needs: Sequence[Need], room: Room) -> list[str]:
    free, pace = _free(needs), room.pace
    surge = floor(pace.tasks * pace.maximum_percent / 100) - pace.tasks
    if not free or free >= surge or not room.rolling:
        return []
    return [f"its subnets have {free} free addresses, and {surge} more tasks may start at a time: it would be slower"]


def _free(needs: Sequence[Need]) -> int | None:
    """Return the free addresses of all subnets; None where one does not tell."""
    subnets = [need for need in needs if need.what.startswith("the subnet ")]
    counts = [need.free for need in subnets]
    return sum(count for count in counts if count is not None) if counts and None not in counts else None


def _starts_first(room: Room) -> bool:
    """Return whether a new task has to start before an old one may stop."""
    pace = room.pace
    return room.rolling and bool(pace.tasks) and pace.minimum_percent >= 100


def _moment(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"


def good_ones(
    snapshots: Sequence[SnapshotEntry], last: SnapshotEntry | None, taken_back: frozenset[str]
) -> tuple[str, ...]:
    """Return the ids of the last good snapshot and of the proven one of another version before it."""
    if last is None:
        return ()
    older = sorted(
        (
            entry
            for entry in snapshots
            if entry.proven
            and entry.taken_at < last.taken_at
            and entry.task_definition != last.task_definition
            and entry.snapshot_id not in taken_back
        ),
        key=lambda entry: entry.taken_at,
        reverse=True,
    )
    return (last.snapshot_id, *(entry.snapshot_id for entry in older[:1]))


def view(target: str, found: Readiness, now: datetime) -> dict[str, Any]:
    """Return what the API shows."""
    return {
        "target": target,
        "checked_at": now,
        "ready": found.ready,
        "sentence": found.sentence,
        "snapshots": [
            {
                "snapshot_id": way.entry.snapshot_id,
                "taken_at": way.entry.taken_at,
                "version": way.version,
                "proven": way.entry.proven,
                "good": way.entry.snapshot_id in found.good,
                "live": way.live,
                "can_go_back": way.can,
                "sentence": way.sentence,
                "beware": [f"{clause[:1].upper()}{clause[1:]}." for clause in way.beware],
            }
            for way in found.ways
        ],
        "plans": [plan.shown for plan in found.plans],
    }


def why_unsafe(way: WayBack) -> Refusal | None:
    """Return why a rollback by hand to a snapshot is refused; None where nothing is known to be missing."""
    if way.can is not False:
        return None
    asked = f"{way.sentence} Where you know better, ask with `force` (surefoot rollback --force)."
    return Refusal(Cause.REFUSED, asked, Gate.true("way_back", holds=False, detail=way.sentence))


def safety_view(way: WayBack, held: str | None) -> dict[str, Any]:
    """Return what a dry run says of the second step. ``held``: why the rollback would be refused now."""
    return {
        "can_go_back": way.can,
        "safety": way.sentence,
        "beware": [f"{clause[:1].upper()}{clause[1:]}." for clause in way.beware],
        "held": held,
    }
