"""Making a service again from a snapshot: recovery's events about it."""

from typing import Literal

from contracts.base import Event
from contracts.prose import Plain, Prose


class RecreationStarted(Event):
    """Somebody has approved that a service is made again; published before the first call that changes something."""

    recreation_id: str
    snapshot_id: str
    plan: Plain
    """The digest of the plan that was approved."""
    makes: tuple[Prose, ...]
    """What is made, in order: ``target group:web``."""
    actor: Plain
    """Who has asked for it."""
    reason: Prose = ""
    approved_by: Plain
    sentence: Prose


class RecreationFinished(Event):
    """A service was made again, or was not."""

    recreation_id: str
    snapshot_id: str
    result: Literal["recreated", "failed", "rejected", "expired"]
    """``recreated``: as many of its tasks as are wanted serve again. ``failed``: they do not, and what was made stays.
    ``rejected`` and ``expired``: nobody has approved it, and nothing was made."""
    made: tuple[Prose, ...] = ()
    """What was made, in order."""
    sentence: Prose
    actor: Plain = ""
    """Who has rejected it, else who has asked for it."""
    reason: Prose = ""
