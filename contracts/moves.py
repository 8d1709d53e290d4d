"""Moves of a service: who changed its version, its desired count or its scaling limits, as recovery tells it."""

from typing import Literal

from contracts.base import Event, Time
from contracts.prose import Plain, Prose
from contracts.recovery import KnownVersion


class ServiceMoved(Event):
    """Somebody has changed a service. Published when that is seen, and again once more is known of who it was.

    Moves of an autoscaler, and our own ones of count and limits, are not published.
    """

    move_id: Plain
    """The same each time that the same move is told."""
    what: Literal["version", "count", "limits"]
    before: Plain
    """``family:revision``, a number of tasks, or ``low to high``."""
    after: Plain
    by: Plain
    """``ours``, ``ecs``, ``autoscaler``, ``person``, ``another-surefoot``, ``tool`` or ``unknown``; new ones may be
    added."""
    who: Prose = ""
    """Words for a person; empty where it is not known."""
    sure: Plain
    """``certain``, ``likely``, ``not-known-yet``, ``not-allowed`` or ``not-known``; new ones may be added."""
    sentence: Prose
    evidence: tuple[Prose, ...] = ()
    """A clause for each."""
    moved_at: Time
    """Product time; of a change that only two looks show, the time of the second."""
    lowered: bool = False
    """Whether the desired count has fallen by neither us, a scaling activity nor a scheduled action."""
    over: bool = False
    """Whether such a fall is over: as many tasks are wanted as before, or it was a day ago. With ``still_named``:
    whether the tool names it no more, as far as is known."""
    still_named: Prose = ""
    """A sentence, where an infrastructure tool has brought in by this move what a rollback has taken back since, so
    that its next run brings it in again; empty for all others, and in events of the previous version."""
    scaling_id: Plain = ""
    """The emergency scaling that stood then; empty where none did."""
    version: KnownVersion | None = None
    """What is live now, by the digests of its images; None where the version has not changed, or they were not read."""
