"""Decides which critical alerts bring the armed snapshot back."""

from datetime import datetime

from contracts.monitor import CriticalAlert, CriticalRule
from contracts.recovery import AlertTrigger
from services.recovery.domain.protection import MOST_FIRING, MOST_RESOLVED, Armed, Firing, Protection


def note(protection: Protection, alert: CriticalAlert) -> Protection:
    """Keep the alerts that fire, even while the target is not armed: they are the baseline of the next change."""
    if late(protection, alert):
        return protection
    firing = {name: known for name, known in protection.firing.items() if name != alert.alert_id}
    resolved = protection.resolved
    if alert.state == "resolved":
        resolved = (*(name for name in resolved if name != alert.alert_id), alert.alert_id)[-MOST_RESOLVED:]
    else:
        firing[alert.alert_id] = Firing(rule=alert.rule, began_at=alert.began_at)
    return protection.replace(firing=dict(list(firing.items())[-MOST_FIRING:]), resolved=resolved)


def late(protection: Protection, alert: CriticalAlert) -> bool:
    """Return whether the alert is raised after its own resolution, as by the replay of a dead letter."""
    return alert.state == "raised" and alert.alert_id in protection.resolved


def rollback_for(protection: Protection, alert: CriticalAlert, now: datetime) -> Armed | None:
    """Return the armed run that ``alert`` rolls back, or None.

    An alert counts once the change has begun, if it did not fire before and is not over, and if nothing that the
    service depends on is in trouble itself. A database alert counts only if it began after the change: a database fails
    on its own, and going back would not mend it. The policy of the run may name the rules whose alerts count.
    """
    held = protection.arm
    if (
        alert.state != "raised"
        or alert.excused
        or late(protection, alert)
        or protection.rollback is not None
        or held is None
        or held.change is None
        or not held.triggered_by(alert.rule)
        or not held.active(now)
        or alert.alert_id in held.already_firing
    ):
        return None
    since = (
        max(held.armed_at, held.change.begun_at) if alert.rule == CriticalRule.DATABASE_CONNECTIONS else held.armed_at
    )
    return held if alert.began_at > since else None


def trigger_of(alert: CriticalAlert) -> AlertTrigger:
    """Return the alert as the trigger of a rollback."""
    return AlertTrigger(rule=alert.rule, alert_id=alert.alert_id, detail=alert.detail)
