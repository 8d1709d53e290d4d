"""Decides whether an alert about resources scales the service by itself."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from contracts.monitor import CriticalAlert
from contracts.policy import Recovery
from contracts.policy_rules import RuleMetric, RulePolicy
from services.recovery.domain.alert import dependency_of, late
from services.recovery.domain.answer import Answer
from services.recovery.domain.protection import Protection
from services.recovery.domain.scaling import WhyScale, not_scaled, not_scaled_and_called

RESOURCES = frozenset({RuleMetric.CPU, RuleMetric.MEMORY})
MOST_A_DAY = 3
"""How many scalings of a service begin by themselves within 24 hours; then people are called."""
DAY = timedelta(hours=24)


def about_resources(alert: CriticalAlert, rules: Iterable[RulePolicy]) -> bool:
    """Return whether a raised alert is of a rule about processor or memory."""
    metrics = {rule.name: rule.metric for rule in rules}
    return alert.state == "raised" and metrics.get(alert.rule) in RESOURCES


def why_not_by_itself(  # noqa: PLR0911  a list of questions, in their order
    protection: Protection, alert: CriticalAlert, recovery: Recovery, now: datetime
) -> Answer | None:
    """Return why a critical alert about resources scales nothing; None where it does.

    Whether the service can be scaled at all is not asked here (``scale_plan.py``).
    """
    if late(protection, alert):
        return not_scaled(WhyScale.OVER, "the alert is over")
    if alert.excused:
        return not_scaled(WhyScale.DEPENDENCY, f"{_of_dependency(alert)}: more tasks would not mend that")
    if not (recovery.enabled and recovery.scaling_by_itself):
        return not_scaled_and_called(WhyScale.SWITCHED_OFF, "recovery.scaling_by_itself of the policy is off")
    if alert.attribution == "new-version" and not alert.doubt:
        because = "the monitor attributes it to the new version: going back is the answer to that, and not more tasks"
        return not_scaled_and_called(WhyScale.NEW_VERSION, because)
    automatic = [past for past in protection.past_scalings if past.incident and past.result != "refused"]
    if any(past.incident == alert.alert_id for past in automatic):
        return not_scaled_and_called(WhyScale.ONCE, "it was scaled for this alert before")
    lately = [past for past in automatic if past.began_at > now - DAY]
    if len(lately) >= MOST_A_DAY:
        return not_scaled_and_called(WhyScale.ONCE, f"it was scaled {len(lately)} times within 24 hours already")
    return None


def _of_dependency(alert: CriticalAlert) -> str:
    return dependency_of(alert).partition(": going back")[0]
