"""Whether the version before was in trouble itself, so that what is live may be the way out of it."""

from contracts.monitor import CriticalAlert
from services.recovery.domain.outside.answer import Answer, Why, call_people
from services.recovery.domain.outside.live import Live
from services.recovery.domain.outside.remembered import Firing, PastAlert
from services.recovery.domain.outside.way_back import LONG
from services.recovery.domain.protection import Protection

CLOCKS_APART = 300.0
"""Seconds by which AWS's clock may differ from ours: from five minutes on AWS refuses every signature."""


def troubled_before(protection: Protection, alert: CriticalAlert, live: Live) -> Answer | None:
    """Return why the version before is no way back: it was in trouble itself, and what is live may be the way out."""
    began_at = live.began_at or 0.0
    others = [firing for id_, firing in protection.firing.items() if id_ != alert.alert_id]
    known_alerts: tuple[Firing | PastAlert, ...] = (*others, *protection.past_alerts)
    for other in known_alerts:
        ended_at = other.ended_at if isinstance(other, PastAlert) else None
        over = ended_at is not None and ended_at.timestamp() < began_at - LONG
        known = protection.settled_as(other.deployment_id) if other.deployment_id else None
        taken_back = known is not None and known.why == "taken-back"
        if not over and not taken_back and _of_before(other, live, began_at):
            because = f"another critical alert, of {other.began_at:%H:%M:%S} UTC, is not about {live.version} alone"
            return call_people(Why.TROUBLED_BEFORE, f"{because}: what was live before it may be worse")
    return None


def _of_before(other: Firing | PastAlert, live: Live, began_at: float) -> bool:
    """Return whether an alert tells of the time before the deployment, though it may have come after its begin."""
    if other.attribution == "version-before" or other.deployment_id not in {"", live.deployment_id}:
        return True
    if other.window_from is not None and other.window_from.timestamp() < began_at:
        return True
    slack = 0.0 if other.window_from is not None else CLOCKS_APART  # a window is of AWS's clock, as the deployment is
    return other.began_at.timestamp() <= began_at + slack
