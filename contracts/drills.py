"""Drills: recovery's events about recovery plans that were tried."""

from typing import Literal

from contracts.base import Event, Time
from contracts.prose import Plain, Prose
from contracts.recovery import Trigger

DrillPlan = Literal["rollback", "scaling", "recreate"]
"""The recovery plans of the requirements (docs/requirements.md)."""


class DrillStarted(Event):
    """Recovery is about to try a plan for real; published before the first call that changes something."""

    drill_id: str
    plan: DrillPlan
    sentence: Prose
    """What is done, and what is measured."""
    until: Time
    """When it ends at the latest, in product time."""
    trigger: Trigger


class DrillFinished(Event):
    """A drill is over. ``measured``: the plan was carried out, and timed. ``stopped``: something went before it.

    ``failed``: the plan could not be carried out, which it could not have been in an emergency either; call people.
    """

    drill_id: str
    plan: DrillPlan
    result: Literal["measured", "stopped", "failed"]
    sentence: Prose
    finding: Prose = ""
    """What people should do something about, told once for as long as it stays; empty where there is nothing."""
    rto_seconds: float | None = None
    """From the trigger until every task serves; None where that was not reached."""
    rpo_seconds: float | None = None
    """How much configuration would have been lost: the age of the snapshot where the live service differs from it, else
    0. None where that is not known. What is in the database is the database's own."""
    version: Plain = ""
    """``family:revision`` of what was live."""
    deployment_id: str = ""
    """The deployment that a drill of a rollback has made, as ECS names it; empty for every other one."""
    began_at: Time
    finished_at: Time
