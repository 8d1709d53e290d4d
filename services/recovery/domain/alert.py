"""Decides which critical alerts bring the armed snapshot back."""

from datetime import datetime

from contracts.monitor import CriticalAlert, CriticalRule
from contracts.recovery import AlertTrigger
from services.recovery.domain.protection import MOST_FIRING, MOST_RESOLVED, Armed, Firing, OurChange, Protection


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

    Once it was published that recovery stands down for a run, no alert counts, though a restored state has it armed. An
    alert counts once the change has begun, if it is the change's (``_of_change``) and not over, and if nothing that
    the service depends on is in trouble itself. A database alert counts only if it began after the change: a database
    fails on its own, and going back would not mend it. The policy of the run may name the rules whose alerts count. A
    run that deployed the version of its snapshot again has changed nothing that going back could mend.
    """
    held = protection.arm
    if (
        alert.state != "raised"
        or alert.excused
        or late(protection, alert)
        or protection.rollback is not None
        or held is None
        or held.run_id in protection.stood_down
        or held.change is None
        or not held.triggered_by(alert.rule)
        or not held.active(now)
        or not _of_change(alert, held, held.change, protection.deployment_of(held.snapshot_id))
        or (held.change.task_definition is not None and held.change.task_definition == protection.version_of(held))
    ):
        return None
    if alert.rule == CriticalRule.DATABASE_CONNECTIONS and alert.began_at <= held.change.begun_at:
        return None
    return held


def _of_change(alert: CriticalAlert, held: Armed, change: OurChange, deployment_before: str | None) -> bool:
    """Return whether the change may have caused the alert.

    The whole window that broke the rule lies after the change began, in the time of another deployment than that of the
    snapshot, and the monitor does not attribute it to the version before. Where the monitor knows nothing of the time
    before, an alert that fired then is not the change's; nor is it where the previous version of the monitor tells no
    window.
    """
    if alert.window_from is None:
        return alert.alert_id not in held.already_firing and alert.began_at > held.armed_at
    if alert.window_from < change.begun_at or alert.attribution in {"neither", "version-before"}:
        return False
    if alert.deployment_id and alert.deployment_id == deployment_before:
        return False
    return alert.attribution == "new-version" or alert.alert_id not in held.already_firing


def trigger_of(alert: CriticalAlert) -> AlertTrigger:
    """Return the alert as the trigger of a rollback."""
    return AlertTrigger(rule=alert.rule, alert_id=alert.alert_id, detail=alert.detail)
