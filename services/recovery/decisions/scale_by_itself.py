"""Scales on an alert about processor or memory outside a run, or records why it does not."""

from dataclasses import replace
from datetime import datetime, timedelta

from contracts.base import Target, caused_id
from contracts.policy import ServicePolicy
from services._chassis.policies import Policies
from services._chassis.transition import Decision, Job, Timer
from services.recovery.decisions.record import on_record
from services.recovery.decisions.scale import begin_scaling, decided_on, wanted_of, why_not_scale
from services.recovery.domain.outside.answer import Answer
from services.recovery.domain.outside.decision_record import record_once
from services.recovery.domain.protection import MOST_RESOLVED, Protection
from services.recovery.domain.scaling.exhaustion import (
    FINAL,
    Look,
    ResourceAlert,
    about_resources,
    before_looking,
    decide,
)
from services.recovery.domain.scaling.scale_plan import Planned
from services.recovery.domain.scaling.scale_work import LookWork
from services.recovery.domain.scaling.scaling import EmergencyScaling, WhyScale, not_scaled

LOOK = "look-exhausted"
"""The kind of the job that looks whether resources are exhausted."""
AGAIN = timedelta(seconds=60)
"""Product time between two looks while the alert fires."""
NOT_LOOKED = Look(unseen="recovery has not looked yet")


def whole_policy_of(policies: Policies, target: Target) -> ServicePolicy | None:
    """Return the policy in force; None where it lets nobody act on the service."""
    try:
        return policies.of(target)
    except LookupError:
        return None


def begin_to_look(
    decision: Decision, work: LookWork, cause: str, policy: ServicePolicy | None, now: datetime
) -> Decision:
    """Return a decision on an alert, or on its timer, with what follows from it for the service's scaling.

    The decision's state is that of the target. ``cause``: the id of the alert's message, or of the timer; each has a
    look of its own.
    """
    if policy is None or not about_resources(work.alert.rule, policy.rules):
        return decision
    protection = Protection.from_bytes(decision.state)
    answer = _without_looking(protection, work.alert, policy, now)
    if answer is not None:
        return _on_record(decision, protection, work, answer, policy, now)
    return replace(decision, jobs=(*decision.jobs, Job(caused_id(cause, LOOK), LOOK, work.to_bytes())))


def needs_a_look(protection: Protection, work: LookWork, policy: ServicePolicy | None, now: datetime) -> bool:
    """Return whether only a look at the service can tell whether it is scaled."""
    if policy is None or not about_resources(work.alert.rule, policy.rules):
        return False
    return _without_looking(protection, work.alert, policy, now) is None


def looked(
    protection: Protection, work: LookWork, look: Look, policy: ServicePolicy | None, cause: str, now: datetime
) -> Decision:
    """Begin the scaling, or record why not. What was seen may be older than the state: a run may have armed meanwhile.

    ``cause``: the id of the job.
    """
    kept = Decision(protection.to_bytes())
    if policy is None or not about_resources(work.alert.rule, policy.rules):
        return kept
    answer: Planned | Answer | None = _without_looking(protection, work.alert, policy, now)
    if answer is None:
        scaling = _scaling(work.alert, cause, policy, now)
        answer = decide(protection, work.alert, look, wanted_of(protection, scaling), policy.recovery, now)
        if isinstance(answer, Planned):
            begun = begin_scaling(protection, work.target, scaling)
            return replace(begun, timers=(*begun.timers, _again(work, now)))
    assert isinstance(answer, Answer)  # noqa: S101  a plan begins above
    return _on_record(kept, protection, work, answer, policy, now)


def not_looked(
    protection: Protection, work: LookWork, policy: ServicePolicy | None, why: str, now: datetime
) -> Decision:
    """Look again, since the job has failed for good. ``why`` completes "recovery …"."""
    kept = Decision(protection.to_bytes())
    if policy is None:
        return kept
    return _on_record(kept, protection, work, not_scaled(WhyScale.UNSEEN, f"recovery's look {why}"), policy, now)


def over(protection: Protection, alert: ResourceAlert) -> Decision:
    """Look no more at an alert that is over."""
    known = (*(name for name in protection.resolved if name != alert.alert_id), alert.alert_id)
    return Decision(protection.replace(resolved=known[-MOST_RESOLVED:]).to_bytes(), cancel_timers=(look_id(alert),))


def look_id(alert: ResourceAlert) -> str:
    """Return the id of the timer at which it is looked again."""
    return f"exhausted:{alert.alert_id}"


def _without_looking(
    protection: Protection, alert: ResourceAlert, policy: ServicePolicy, now: datetime
) -> Answer | None:
    return before_looking(protection, alert, policy.recovery) or why_not_scale(protection, now)


def _scaling(alert: ResourceAlert, cause: str, policy: ServicePolicy, now: datetime) -> EmergencyScaling:
    return EmergencyScaling(
        scaling_id=f"scaling:{caused_id(cause, 'scaling')}",
        trigger=alert.trigger,
        asked_at=now,
        until=now + timedelta(minutes=policy.recovery.scaling_minutes),
    )


def _again(work: LookWork, now: datetime) -> Timer:
    return Timer(look_id(work.alert), "look", (now + AGAIN).timestamp(), work.to_bytes())


def _on_record(
    decision: Decision, protection: Protection, work: LookWork, answer: Answer, policy: ServicePolicy, now: datetime
) -> Decision:
    """Record once why nothing is scaled, and look again where that may change while the alert fires."""
    if answer.why not in FINAL:
        decision = replace(decision, timers=(*decision.timers, _again(work, now)))
    standing = protection.scaling
    if standing is not None and standing.incident == work.alert.alert_id:
        return decision  # its end tells whether the alert still fires; it may be refused yet
    decided = decided_on(work.target, _scaling(work.alert, "", policy, now), answer, now, policy.digest)
    event = decided.model_copy(update={"scaling_id": "", "deployment_id": work.alert.deployment_id})
    known, record = record_once(protection, event, "")
    return on_record(replace(decision, state=known.to_bytes()), record)
