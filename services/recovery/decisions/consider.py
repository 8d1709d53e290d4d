"""Considers an alert outside a run: begins a look at the service, rolls back after it, or records why not."""

from datetime import datetime, timedelta

from contracts.base import Target, caused_id, id_of
from contracts.monitor import CriticalAlert
from contracts.policy_parts import RecoveryPolicy
from services._chassis.policies import Policies
from services._chassis.transition import Decision, Job, Timer
from services.recovery.decisions.record import on_record
from services.recovery.decisions.triggers import begin_on_record, rollback_id
from services.recovery.domain.outside import alert as alerts
from services.recovery.domain.outside.answer import Answer, Why, acted, call_people
from services.recovery.domain.outside.decision_record import About, decision_on, record_once
from services.recovery.domain.outside.live import Seen
from services.recovery.domain.outside.outside import GoesBack, LookAgain, decide, in_time, without_looking
from services.recovery.domain.protection import Protection, RollingBack
from services.recovery.domain.work import ConsiderWork

CONSIDER = "consider-alert"
"""The kind of the job that looks at the service."""
AGAIN = timedelta(seconds=60)
"""Product time until an alert is considered again that could not be decided."""


def policy_of(policies: Policies, target: Target) -> RecoveryPolicy | None:
    """Return the policy in force; None where it lets nobody act on the service."""
    try:
        return policies.of(target).part(RecoveryPolicy)
    except LookupError:
        return None


def begin_to_consider(
    protection: Protection, work: ConsiderWork, cause: str, policy: RecoveryPolicy | None, now: datetime
) -> Decision:
    """Begin a look at ECS for an alert outside a run, look again later, or record why neither.

    ``cause`` names the job.
    """
    answer = without_looking(protection, work.alert, policy.recovery if policy else None)
    if answer is None:
        return Decision(protection.to_bytes(), jobs=(Job(caused_id(cause, CONSIDER), CONSIDER, work.to_bytes()),))
    return _on_record(protection, work, in_time(answer, work.asked_at, now), policy, now)


def considered(
    protection: Protection, work: ConsiderWork, seen: Seen, policy: RecoveryPolicy | None, now: datetime
) -> Decision:
    """Roll back, or record why not. What was seen may be older than the state: a run may have armed meanwhile."""
    alert = work.alert
    answer = decide(protection, alert, seen, policy.recovery if policy else None, now.timestamp(), work.asked_at)
    if not isinstance(answer, GoesBack):
        version = seen.live.task_definition if seen.live else ""
        return _on_record(protection, work, in_time(answer, work.asked_at, now), policy, now, version)
    if over := _over_a_migration(protection, answer.to.snapshot_id, alert):
        return _on_record(protection, work, over, policy, now, answer.live.task_definition)
    rollback = RollingBack.begun(
        alerts.trigger_of(alert),
        rollback_id=rollback_id(id_of(str(work.target), answer.live.deployment_id)),
        run_id=None,
        snapshot_id=answer.to.snapshot_id,
        started_at=now,
        judged=answer.live.task_definition,
        deployment_id=answer.live.deployment_id,
        content=answer.evidence.content,
        revisions=answer.evidence.course.changed,
    )
    digest = policy.digest if policy else ""
    return begin_on_record(protection, work.target, rollback, acted(Why.ALERT, answer.sentence), "", alert, digest)


def _over_a_migration(protection: Protection, snapshot_id: str, alert: CriticalAlert) -> Answer | None:
    """Return why nothing goes back to a snapshot by itself: the schema is not, or may not be, that of its version, or
    a migration was under way, which requests may have waited for.
    """
    if protection.migration is not None:
        return call_people(Why.UNDER_WAY, f"{protection.migration.migration_id} is under way on the service")
    entry = next((entry for entry in protection.snapshots if entry.snapshot_id == snapshot_id), None)
    why = protection.why_not_over_schema(entry.taken_at) if entry is not None else ""
    if why:
        return call_people(Why.NO_WAY_BACK, why)
    past = next((past for past in protection.past_migrations if past.explains(alert)), None)
    because = "was under way when the rule was broken: what waited for its locks is no version's doing"
    return call_people(Why.UNDER_WAY, f"{past.migration_id} {because}") if past is not None else None


def _on_record(
    protection: Protection,
    work: ConsiderWork,
    answer: Answer | LookAgain,
    policy: RecoveryPolicy | None,
    now: datetime,
    task_definition: str = "",
) -> Decision:
    """Record why an alert outside a run does not roll back; where that may change, look again later."""
    again = isinstance(answer, LookAgain)
    timer = Timer(again_id(work.alert), "consider", (now + AGAIN).timestamp(), work.to_bytes())
    if isinstance(answer, LookAgain) and not answer.recorded:
        return Decision(protection.to_bytes(), timers=(timer,))
    shown = answer.answer if isinstance(answer, LookAgain) else answer
    about = About(task_definition=task_definition, digest=policy.digest if policy else "", alert=work.alert)
    event = decision_on(work.target, shown, alerts.trigger_of(work.alert), now, about)
    known, record = record_once(protection, event, "")
    return on_record(Decision(known.to_bytes(), timers=(timer,) if again else ()), record)


def not_considered(
    protection: Protection, work: ConsiderWork, why: str, policy: RecoveryPolicy | None, now: datetime
) -> Decision:
    """Call people, since the job has failed for good. ``why`` completes "recovery …"."""
    return _on_record(protection, work, call_people(Why.UNSEEN, f"recovery's look at the service {why}"), policy, now)


def again_id(alert: CriticalAlert) -> str:
    """Return the id of the timer at which an alert outside a run is considered again."""
    return f"consider:{alert.alert_id}"
