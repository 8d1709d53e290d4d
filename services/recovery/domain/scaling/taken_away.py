"""Whether somebody has lately taken tasks away, whom an emergency scaling by itself would contradict.

The evidence is what recovery remembers of the desired count, with who has changed it (``domain/moves``), and how many
tasks have reported their processor, minute by minute, which tells of a person, a pipeline and a schedule alike. Minutes
in which a deployment may have run old and new tasks at once are no evidence, and what a scaling of our own has lent was
taken back by nobody else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from services.recovery.domain.moves.remembered import Change
from services.recovery.domain.scaling.load import MINUTE
from services.recovery.domain.scaling.scaling import PastScaling

RESPECTED = timedelta(minutes=60)
"""For so long nobody who has taken tasks away is contradicted: as long as a scaling stands by default."""
STOOD = 10
"""Minutes on end for which more tasks must have run. A task that is replaced drains beside its successor for less: 300
seconds by default (Elastic Load Balancing, deregistration delay), and the time that it takes to stop."""
ROLLOUT = 15.0
"""Minutes that a deployment may have taken until ECS tells that it is completed."""
DRAINED = 10.0
"""Minutes after that in which its old tasks may still drain and report."""
LATE = 2.0
"""Minutes by which the clocks and the minutes of CloudWatch may differ from when a restoration began."""


@dataclass(frozen=True, slots=True)
class Ran:
    """How many tasks ran for ``STOOD`` minutes at least."""

    count: float
    until: float
    """The begin of the last minute (epoch seconds, AWS's clock)."""


def lowered_by_others(changes: Sequence[Change], desired: int, now: datetime) -> str:
    """Return who has lowered the desired count lately and to what, as a clause; empty where nobody is known to have.

    ``changes``: those that are remembered of the service, the newest last. What was raised again since is over.
    """
    for change in reversed(changes):
        fell = change.move.lowers and change.move.by_others and change.at > now - RESPECTED
        if fell and desired < int(change.before):
            of, by = f"from {change.before} to {change.after}", f"{change.at:%H:%M} UTC"
            return f"{change.who or 'somebody'} has lowered the desired count {of}, seen at {by}"
    return ""


def taken_away(
    tasks: Mapping[float, float],
    desired: int,
    deployed_at: Sequence[float],
    past: Sequence[PastScaling],
    now: datetime,
) -> str:
    """Return how it is seen that somebody has taken tasks away lately, as a clause; empty where it is not.

    ``tasks``: begin of a minute → how many have reported. ``deployed_at``: when the newest deployment began, and when
    deployments were completed. ``past``: the service's scalings that are over, the newest last.
    """
    since = now - RESPECTED
    for scaling in reversed(past):
        at = scaling.restoring_since
        if scaling.ended_by and at is not None and at > since:
            return f"{scaling.ended_by} ended {scaling.scaling_id} at {at:%H:%M} UTC, before its time"
    known = {
        minute: count
        for minute, count in tasks.items()
        if minute >= since.timestamp() and not _deploying(minute, deployed_at)
    }
    ran = _last_above(known, desired)
    for scaling in reversed(past):
        if ran is not None and _lent(scaling, ran, desired):
            before = scaling.began_at.timestamp()
            ran = _last_above({minute: known[minute] for minute in known if minute < before}, desired)
    if ran is None:
        return ""
    until = datetime.fromtimestamp(ran.until + MINUTE, tz=UTC)
    return (
        f"{ran.count:.0f} tasks ran until {until:%H:%M} UTC, and {desired} are wanted by now: a person, a pipeline "
        "or a schedule has taken some away"
    )


def _deploying(minute: float, deployed_at: Sequence[float]) -> bool:
    """Return whether old and new tasks may have run in this minute.

    The newest deployment lasted from its begin until it was completed; of an older one only its end is known.
    """
    if deployed_at and deployed_at[0] <= minute < max(deployed_at):
        return True
    return any(at - ROLLOUT * MINUTE <= minute < at + DRAINED * MINUTE for at in deployed_at)


def _last_above(tasks: Mapping[float, float], desired: int) -> Ran | None:
    """Return what ran last for ``STOOD`` minutes on end with more tasks than are wanted; None where nothing did."""
    for minute in sorted(tasks, reverse=True):
        counts = [tasks.get(minute - back * MINUTE, 0.0) for back in range(STOOD)]
        if min(counts) > desired:
            return Ran(min(counts), minute)
    return None


def _lent(scaling: PastScaling, ran: Ran, desired: int) -> bool:
    """Return whether a scaling of our own explains that so many tasks ran, and that they do no longer.

    It does not where somebody has wanted fewer before its time was over, or wants fewer than there were before it.
    """
    plan = scaling.plan
    if plan is None or scaling.result != "restored":
        return False
    since, end = scaling.restoring_since or scaling.began_at, scaling.ended_at
    stood_to_the_end = ran.until >= since.timestamp() - (1 + LATE) * MINUTE
    no_longer = end is None or ran.until <= end.timestamp() + DRAINED * MINUTE
    return stood_to_the_end and no_longer and plan.before.desired <= desired and ran.count <= plan.raised.desired
