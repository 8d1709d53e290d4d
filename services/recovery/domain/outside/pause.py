"""How long the trouble outside a run has to last before anything goes back."""

from datetime import datetime, timedelta

from services.recovery.domain.outside.live import Live
from services.recovery.domain.protection import Protection

PAUSE = timedelta(minutes=5)
"""What is over by itself within it is no version's doing: a database fails over, an API of somebody else is away. It is
long enough, too, for whoever has deployed past this installation to judge that by himself."""
LEAST = timedelta(minutes=2)
"""So long each alert has to last: what else is in trouble is told within it, and a short trouble is over."""


def pause_until(protection: Protection, live: Live, asked_at: datetime) -> datetime:
    """Return until when it is waited for an alert that came at ``asked_at``.

    Tasks that end again and again break a rule for some minutes at a time: the times of all alerts that are attributed
    to the deployment add up.
    """
    past = (alert for alert in protection.past_alerts if alert.deployment_id == live.deployment_id)
    lasted = (alert.ended_at - alert.began_at for alert in past if alert.attribution == "new-version")
    return asked_at + max(LEAST, PAUSE - sum(lasted, timedelta()))
