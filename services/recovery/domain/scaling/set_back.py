"""A count that somebody sets back while an emergency scaling stands: is it raised again, once, or are people called?

A tool that applies its template knows nothing of the load; whoever else has taken tasks away may know why.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from services.recovery.domain.moves.mover import By, Sure
from services.recovery.domain.moves.remembered import SETTLES, Change
from services.recovery.domain.outside.answer import Answer
from services.recovery.domain.scaling.scale_plan import Autoscaler
from services.recovery.domain.scaling.scaling import (
    EmergencyScaling,
    ScalingPlan,
    WhyScale,
    not_scaled,
    not_scaled_and_called,
)

SEEN_AFTER = timedelta(minutes=2)
"""After so long a count that was raised again, and is lower, has been set back once more: ECS shows it by then."""


@dataclass(frozen=True, slots=True)
class Live:
    """The service now."""

    desired: int
    busy: str = ""
    """What goes before a scaling, a clause: a run, a rollback or a deployment; empty where nothing is under way."""


@dataclass(frozen=True, slots=True)
class RaiseAgain:
    """The count is raised again."""

    who: str
    fell_to: int


def on_fall(
    scaling: EmergencyScaling, fall: Change | None, live: Live, reapply: Literal["never", "once"], now: datetime
) -> RaiseAgain | Answer | None:
    """Return what follows from a fall of the count; None: nothing, or nothing yet.

    ``fall``: the fall by others that is told and still stands, with who it was as far as that is known.
    """
    plan, again = scaling.plan, scaling.again
    if plan is None or reapply == "never" or not _stands(scaling, plan, now) or live.desired >= plan.raised.desired:
        return None
    if again is not None:
        over = again.done and now - again.at >= SEEN_AFTER
        return _once_more(scaling, again.who, live.desired) if over else None
    if fall is None or not _of_this(scaling, plan, fall, live.desired):
        return None
    return _by_its_mover(plan, fall, live, now)


def _stands(scaling: EmergencyScaling, plan: ScalingPlan, now: datetime) -> bool:
    """Return whether the count is ours, raised and looked after by nobody else, and its end has not begun."""
    return scaling.phase == "raised" and scaling.answered and scaling.count_set and plan.ours and now < scaling.until


def _of_this(scaling: EmergencyScaling, plan: ScalingPlan, fall: Change, desired: int) -> bool:
    """Return whether what fell is the count that this scaling has set, and still is where it fell to.

    A service that wants no task any more was switched off.
    """
    stood = int(fall.stood or fall.before)
    ours = fall.at > scaling.asked_at and stood >= plan.raised.desired
    return ours and int(fall.after) == desired > 0


def _by_its_mover(plan: ScalingPlan, fall: Change, live: Live, now: datetime) -> RaiseAgain | Answer | None:
    what = f"has set the desired count back to {live.desired}, and {plan.raised.desired} are lent"
    if fall.by is By.TOOL and fall.sure is Sure.CERTAIN:
        return None if live.busy else RaiseAgain(fall.who, live.desired)
    if fall.by is By.PERSON:
        return not_scaled(WhyScale.SET_BACK, f"{fall.who} {what}")
    if fall.sure is Sure.NOT_YET and now - fall.at < SETTLES:
        return None
    who = f"{fall.who} {what}, as it seems" if fall.who else f"somebody {what}, and who is not known"
    return not_scaled_and_called(WhyScale.SET_BACK, who)


def _once_more(scaling: EmergencyScaling, who: str, desired: int) -> Answer:
    why = f"{scaling.scaling_id} was raised again once, after {who} had set it back, and {desired} are wanted by now"
    return not_scaled_and_called(WhyScale.SET_BACK_AGAIN, why)


def raised_again(plan: ScalingPlan, fell_to: int, live: int, autoscaler: Autoscaler | None) -> int | str | None:
    """Return the count to be set; why none is, a clause; or None where as many are wanted already.

    ``autoscaler``: the scalable target as it is now; None where there is none.
    """
    wanted = plan.raised.desired
    if live >= wanted:
        return None
    if live != fell_to:
        return f"{live} tasks are wanted meanwhile"
    if autoscaler is not None and autoscaler.high < wanted:
        return f"the autoscaler's maximum is {autoscaler.high} by now, and {wanted} were lent"
    return wanted
