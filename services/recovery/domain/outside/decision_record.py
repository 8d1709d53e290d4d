"""The record of decisions: each is published and kept once, however often its trigger comes."""

from dataclasses import dataclass
from datetime import datetime

from contracts.base import Target, id_of
from contracts.monitor import CriticalAlert
from contracts.policy_section import Digest
from contracts.recovery import AlertTrigger, RollbackDecided, Trigger
from contracts.scaling import ScalingDecided
from services.recovery.domain.outside.answer import Answer
from services.recovery.domain.protection import MOST_RECORDED, Protection

MOST_KEPT = 100
"""How many decisions of a target are kept for readers."""


@dataclass(frozen=True, slots=True)
class NewRecord:
    """A decision that is not on record yet."""

    event: RollbackDecided | ScalingDecided
    id: str
    """The event's id: the same answer to the same trigger has the same."""
    place: int
    """Which of the ``MOST_KEPT`` records it takes."""


@dataclass(frozen=True, slots=True)
class About:
    """What a decision is about, beyond its trigger."""

    run_id: str | None = None
    deployment_id: str = ""
    task_definition: str = ""
    snapshot_id: str = ""
    rollback_id: str = ""
    digest: Digest = ""
    alert: CriticalAlert | None = None


def decision_on(target: Target, answer: Answer, trigger: Trigger, now: datetime, about: About) -> RollbackDecided:
    """Return the event of a decision."""
    alert = about.alert
    return RollbackDecided(
        target=target,
        run_id=about.run_id,
        decision=answer.decision,
        reason=answer.why,
        sentence=answer.sentence,
        trigger=trigger,
        decided_at=now,
        deployment_id=about.deployment_id or (alert.deployment_id if alert else ""),
        task_definition=about.task_definition,
        snapshot_id=about.snapshot_id,
        rollback_id=about.rollback_id,
        window_from=alert.window_from if alert else None,
        window_until=alert.window_until if alert else None,
        attribution=alert.attribution if alert else None,
        policy_digest=about.digest,
    )


def record_once(
    protection: Protection, event: RollbackDecided | ScalingDecided, cause: str
) -> tuple[Protection, NewRecord | None]:
    """Return the protection that knows the decision as recorded, and the record; None where it was recorded before.

    ``cause`` names the trigger where that is no alert. An alert is named by its occurrence, whatever message brings it.
    """
    trigger = event.trigger.alert_id if isinstance(event.trigger, AlertTrigger) else cause
    about = ("scaling",) if isinstance(event, ScalingDecided) else ()
    id_ = id_of(str(event.target), trigger, event.deployment_id, event.decision, event.reason, *about)
    if id_ in protection.recorded:
        return protection, None
    known = protection.replace(
        recorded=(*protection.recorded, id_)[-MOST_RECORDED:], decisions=protection.decisions + 1
    )
    return known, NewRecord(event, id_, protection.decisions % MOST_KEPT)
