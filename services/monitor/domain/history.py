"""The deployments before the newest one, and which minutes before it tell what is usual.

A deployment tells what is usual where a run has succeeded with it, or where it was live for long, whoever began it. A
failed attempt that lived for some minutes does not: its successor must not be excused by its errors. All times are
epoch seconds.
"""

from collections.abc import Iterable
from itertools import pairwise

from contracts.base import Contract

LONG = 3600.0
"""Whoever was live for so long is no failed attempt: within it people notice, and deploy again."""
SAME = 30.0
"""ECS tells a deployment in two lists, under two ids, and at two times that differ by less."""
MOST_EARLIER = 12
"""So many deployments are remembered."""
BY_MINUTES = 14 * 86_400.0
"""CloudWatch keeps a metric's single minutes for 15 days (CloudWatch user guide, "Metrics retention")."""
MOST_STARTS = 5
"""So many starts are looked at: a single one tells little where requests are few."""


class Earlier(Contract):
    """A deployment that another one has replaced."""

    id: str
    task_definition: str = ""
    began_at: float
    ended_at: float
    """When the next one began."""
    alone_since: float | None = None
    """When the last task of the deployments before it had stopped; None: nobody saw that."""
    proven: bool = False
    """Whether a run has succeeded with it, or the service began with it."""

    @property
    def usual(self) -> bool:
        return self.proven or self.ended_at - self.began_at >= LONG


Stretch = tuple[float, float]
"""From when until when."""


def in_order(found: Iterable[Earlier], ended_at: float) -> tuple[Earlier, ...]:
    """Return each deployment that began before ``ended_at`` once, the oldest first, each ended by the next one.

    Of two with the same id, or that began at nearly the same time, the last one given counts.
    """
    kept: list[Earlier] = []
    for earlier in reversed(tuple(found)):
        known = any(other.id == earlier.id or abs(other.began_at - earlier.began_at) < SAME for other in kept)
        if not known and earlier.began_at <= ended_at - SAME:
            kept.append(earlier)
    ordered = sorted(kept, key=lambda earlier: earlier.began_at)[-MOST_EARLIER:]
    following = (*(earlier.began_at for earlier in ordered), ended_at)[1:]
    return tuple(earlier.model_copy(update={"ended_at": end}) for earlier, end in zip(ordered, following, strict=True))


def version_before(earlier: tuple[Earlier, ...]) -> Earlier | None:
    """Return the newest deployment that tells what is usual; None where none is known."""
    return next((deployment for deployment in reversed(earlier) if deployment.usual), None)


def of_version_before(earlier: tuple[Earlier, ...]) -> tuple[Earlier, ...]:
    """Return the deployments of the version before: also those that brought it back after a failed attempt."""
    usual = version_before(earlier)
    if usual is None:
        return ()
    return tuple(
        deployment
        for deployment in earlier
        if deployment is usual or (usual.task_definition and deployment.task_definition == usual.task_definition)
    )


def good_starts(earlier: tuple[Earlier, ...], now: float) -> tuple[float, ...]:
    """Return when the last good deployments began, of which CloudWatch still has each minute; the oldest first."""
    usual = (deployment.began_at for deployment in earlier if deployment.usual)
    return tuple(began_at for began_at in usual if began_at > now - BY_MINUTES)[-MOST_STARTS:]


def attempts(earlier: tuple[Earlier, ...]) -> tuple[Stretch, ...]:
    """Return when a failed attempt served, alone or beside another version: such minutes tell nothing of what is usual.

    Its tasks are gone once the deployment that replaced it serves alone; of the last one, when it ended.
    """
    ours = {deployment.id for deployment in of_version_before(earlier)}
    failed = [not deployment.usual and deployment.id not in ours for deployment in earlier]
    ends = [following.alone_since or deployment.ended_at for deployment, following in pairwise(earlier)]
    ends += [deployment.ended_at for deployment in earlier[-1:]]
    return tuple(
        (deployment.began_at, end) for deployment, end, attempt in zip(earlier, ends, failed, strict=True) if attempt
    )


def outside(moment: float, length: float, stretches: tuple[Stretch, ...]) -> bool:
    """Return whether the ``length`` seconds from ``moment`` on lie outside of all stretches."""
    return not any(begin - length < moment < end for begin, end in stretches)
