"""What a drill of making a service again shows: whether every part of it could be made, if all of it were gone."""

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.rollout_pace import duration
from services.recovery.domain.drill.drill_findings import exact
from services.recovery.domain.recreation.recreate_plan import RecreationPlan
from services.recovery.domain.snapshots.snapshot import Snapshot

NOT_LOOKED_AT = "The account's quotas were not looked at."


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look at a service has shown."""

    plan: RecreationPlan
    """The plan as it would be if nothing of the service were there."""
    unread: tuple[str, ...] = ()
    """A sentence for each part at which recovery could not look: in an emergency it would make nothing."""
    may_make: bool | None = None
    """Whether AWS lets recovery's role make a part; None: it does not say."""


def sentence_of_recreation(version: str) -> str:
    """Return what a drill of making a service again does. ``version``: ``family:revision`` of what is live."""
    return f"Looks whether every part of the service with {version} could be made again, times that, and makes nothing."


def why_failed(looked: Looked) -> str:
    """Return why the service could not be made again, in sentences; empty where it could."""
    return " ".join((*looked.plan.blocked, *looked.unread))


def planned_sentence(snapshot: Snapshot, looked: Looked, seconds: float, now: float) -> str:
    """Return what was found, in sentences. ``seconds``: how long it took; ``now``: epoch seconds."""
    age = duration(max(0.0, now - snapshot.taken_at.timestamp()))
    parts = len(looked.plan.makes)
    found = (
        f"Nothing was made. If all of it were gone, its {parts} parts could be made again from the snapshot "
        f"{snapshot.snapshot_id}, which was taken {age} ago; to look and plan took {exact(seconds)}."
    )
    return " ".join((found, *_beware(looked)))


def _beware(looked: Looked) -> Sequence[str]:
    rights = {
        True: (),
        False: ("Recovery's role may not make them yet: grant it the rights of `surefoot iam --recreate`.",),
        None: ("Whether recovery's role may make them is not known.",),
    }[looked.may_make]
    return (*rights, *looked.plan.warnings, NOT_LOOKED_AT)
