"""Decides which critical alerts bring the armed snapshot back, and says why the others do not."""

from datetime import datetime
from typing import NamedTuple

from contracts.monitor import CriticalAlert, CriticalRule
from contracts.recovery import AlertTrigger
from services.recovery.domain.outside.answer import Answer, Why, declined
from services.recovery.domain.outside.remembered import Firing, PastAlert
from services.recovery.domain.protection import (
    MOST_FIRING,
    MOST_PAST_ALERTS,
    MOST_RESOLVED,
    Armed,
    OurChange,
    Protection,
)


def note(protection: Protection, alert: CriticalAlert, now: datetime) -> Protection:
    """Keep the alerts that fire, even while the target is not armed: they are the baseline of the next change.

    When those fired that are over is kept as well: who was in trouble is no way back for the next version.
    """
    if late(protection, alert):
        return protection
    firing = {name: known for name, known in protection.firing.items() if name != alert.alert_id}
    if alert.state == "raised":
        firing[alert.alert_id] = _firing(alert, protection.firing.get(alert.alert_id))
        return protection.replace(firing=dict(list(firing.items())[-MOST_FIRING:]))
    resolved = (*(name for name in protection.resolved if name != alert.alert_id), alert.alert_id)[-MOST_RESOLVED:]
    past, fired = protection.past_alerts, protection.firing.get(alert.alert_id)
    if fired is not None:
        over = PastAlert(
            began_at=fired.began_at,
            ended_at=now,
            deployment_id=fired.deployment_id,
            window_from=fired.window_from,
            attribution=fired.attribution,
        )
        past = (*past, over)[-MOST_PAST_ALERTS:]
    return protection.replace(firing=firing, resolved=resolved, past_alerts=past)


def _firing(alert: CriticalAlert, known: Firing | None) -> Firing:
    first = known.window_from if known is not None and known.window_from is not None else alert.window_from
    return Firing(
        rule=alert.rule,
        began_at=alert.began_at,
        deployment_id=alert.deployment_id,
        window_from=first,
        attribution=alert.attribution,
    )


def late(protection: Protection, alert: CriticalAlert) -> bool:
    """Return whether the alert is raised after its own resolution, as by the replay of a dead letter."""
    return alert.state == "raised" and alert.alert_id in protection.resolved


class Ours(NamedTuple):
    """The arm of a run that has changed the service, and the change."""

    arm: Armed
    change: OurChange


def judged_by_a_run(protection: Protection, now: datetime) -> Ours | None:
    """Return the run that has changed the service, so that it decides on alerts; None outside such a run."""
    held = protection.arm
    if held is None or held.change is None or protection.rollback is not None or not held.active(now):
        return None
    return Ours(held, held.change)


def why_not_while_armed(protection: Protection, alert: CriticalAlert, ours: Ours) -> Answer | None:
    """Return why a raised alert does not roll back the run that judges it; None where it does.

    Once it was published that recovery stands down for a run, no alert counts, though a restored state has it armed. An
    alert counts once the change has begun, if it is the change's (``_not_of_change``) and not over, and if nothing that
    the service depends on is in trouble itself. A database alert counts only if it began after the change: a database
    fails on its own, and going back would not mend it. The policy of the run may name the rules whose alerts count. A
    run that deployed the version of its snapshot again has changed nothing that going back could mend.
    """
    if late(protection, alert):
        return declined(Why.OVER, "the alert is over")
    if alert.excused:
        return declined(Why.DEPENDENCY, dependency_of(alert))
    return _why_not_for_run(protection, alert, ours)


def _why_not_for_run(protection: Protection, alert: CriticalAlert, ours: Ours) -> Answer | None:
    held, change = ours
    run = f"run {held.run_id}"
    if held.run_id in protection.stood_down:
        return declined(Why.STOOD_DOWN, f"recovery has stood down for {run}")
    if not held.auto_recovery:
        return declined(Why.SWITCHED_OFF, f"{run} was to roll nothing back by itself, by its request or by the policy")
    if not held.triggered_by(alert.rule):
        return declined(Why.NO_TRIGGER, f"recovery.triggers of the policy does not name {alert.rule}")
    if change.task_definition is not None and change.task_definition == protection.version_of(held):
        return declined(Why.UNCHANGED, f"{run} has deployed the version again that was live before")
    if alert.rule == CriticalRule.DATABASE_CONNECTIONS and alert.began_at <= change.begun_at:
        return declined(Why.ALREADY_THERE, "the database was in trouble before the change began")
    return _not_of_change(alert, ours, protection.deployment_of(held.snapshot_id))


def _not_of_change(alert: CriticalAlert, ours: Ours, deployment_before: str | None) -> Answer | None:
    """Return why the change cannot have caused the alert; None where it may have.

    It may where the whole window that broke the rule lies after the change began, in the time of another deployment
    than that of the snapshot, and the monitor does not attribute it to the version before. Where the monitor knows
    nothing of the time before, an alert that fired then is not the change's; nor is it where the previous version of
    the monitor tells no window.
    """
    held, change = ours
    fired_before = declined(Why.ALREADY_THERE, "the alert fired before the change already")
    if alert.window_from is None:
        early = alert.alert_id in held.already_firing or alert.began_at <= held.armed_at
        return fired_before if early else None
    if alert.window_from < change.begun_at:
        return declined(Why.NOT_ATTRIBUTED, "the window that broke the rule began before the change")
    if alert.deployment_id and alert.deployment_id == deployment_before:
        return declined(Why.NOT_ATTRIBUTED, f"it is about {alert.deployment_id}, which was live before the change")
    return not_attributed(alert) or (
        fired_before if alert.attribution is None and alert.alert_id in held.already_firing else None
    )


def not_attributed(alert: CriticalAlert) -> Answer | None:
    """Return that the monitor attributes the alert to another version than the new one; None where it does not."""
    if alert.attribution == "neither":
        because = "the window that broke the rule began before the new version served; a later one is judged anew"
        return declined(Why.NOT_ATTRIBUTED, because)
    if alert.attribution == "version-before":
        return declined(Why.VERSION_BEFORE, "the version before broke the rule as well, and by as much")
    return None


def dependency_of(alert: CriticalAlert) -> str:
    """Return, as a clause, what else is in trouble."""
    fault = alert.dependency_fault.detail if alert.dependency_fault else alert.dependency
    return f"{fault.rstrip('.')}: going back would not mend that"


def trigger_of(alert: CriticalAlert) -> AlertTrigger:
    """Return the alert as the trigger of a rollback."""
    return AlertTrigger(rule=alert.rule, alert_id=alert.alert_id, detail=alert.detail)
