"""How long an alert outside a run has to last before anything goes back."""

from datetime import datetime, timedelta

from services.recovery.domain.live import Live
from services.recovery.domain.protection import Protection

OURS = timedelta(minutes=2)
"""What else is in trouble is told within it."""
OTHERS = timedelta(minutes=5)
"""For a deployment that no run of this installation has made: who made it may judge it by himself."""


def pause_until(protection: Protection, live: Live, asked_at: datetime) -> datetime:
    """Return until when it is waited for an alert that came at ``asked_at``.

    Tasks that end again and again break a rule for some minutes at a time: the first alert about the deployment counts.
    """
    deployed = protection.deployed
    ours = deployed is not None and deployed.deployment_id == live.deployment_id
    past = (alert for alert in protection.past_alerts if alert.deployment_id == live.deployment_id)
    since = min((alert.began_at for alert in past if alert.attribution == "new-version"), default=asked_at)
    return since + (OURS if ours else OTHERS)
