"""Scales on a critical alert about processor or memory outside a run, or records why it does not."""

from dataclasses import replace
from datetime import datetime, timedelta

from contracts.base import Target, caused_id
from contracts.monitor import CriticalAlert
from contracts.policy import ServicePolicy
from services._chassis.policies import Policies
from services._chassis.transition import Decision
from services.recovery.decisions.record import on_record
from services.recovery.decisions.scale import begin_scaling, decided_on, why_not_scale
from services.recovery.domain import alert as alerts
from services.recovery.domain.answer import Answer
from services.recovery.domain.decision_record import record_once
from services.recovery.domain.exhaustion import about_resources, why_not_by_itself
from services.recovery.domain.protection import Protection
from services.recovery.domain.scaling import EmergencyScaling


def also_scale(
    decision: Decision, alert: CriticalAlert, cause: str, policy: ServicePolicy | None, now: datetime
) -> Decision:
    """Return a decision on an alert outside a run with what follows from it for the service's scaling.

    Its state is that of the target. An alert about anything but resources adds nothing, and neither does one about a
    service that the policy leaves out. ``cause``: the id of the alert's message; each has a try of its own.
    """
    if policy is None or not about_resources(alert, policy.rules):
        return decision
    protection, recovery = Protection.from_bytes(decision.state), policy.recovery
    if protection.scaling is not None and protection.scaling.incident == alert.alert_id:
        return decision
    scaling = EmergencyScaling(
        scaling_id=f"scaling:{caused_id(cause, 'scaling')}",
        trigger=alerts.trigger_of(alert),
        asked_at=now,
        until=now + timedelta(minutes=recovery.scaling_minutes),
    )
    refusal = why_not_by_itself(protection, alert, recovery, now) or why_not_scale(protection, now)
    if refusal is not None:
        return _recorded(decision, protection, alert, scaling, refusal, policy, now)
    begun = begin_scaling(protection, alert.target, scaling)
    return replace(
        decision,
        state=begun.state,
        jobs=(*decision.jobs, *begun.jobs),
        timers=(*decision.timers, *begun.timers),
        records={**decision.records, **begun.records},
    )


def whole_policy_of(policies: Policies, target: Target) -> ServicePolicy | None:
    """Return the policy in force; None where it lets nobody act on the service."""
    try:
        return policies.of(target)
    except LookupError:
        return None


def _recorded(
    decision: Decision,
    protection: Protection,
    alert: CriticalAlert,
    scaling: EmergencyScaling,
    refusal: Answer,
    policy: ServicePolicy,
    now: datetime,
) -> Decision:
    decided = decided_on(alert.target, scaling, refusal, now, policy.digest)
    event = decided.model_copy(update={"scaling_id": "", "deployment_id": alert.deployment_id})
    known, record = record_once(protection, event, "")
    return on_record(replace(decision, state=known.to_bytes()), record)
