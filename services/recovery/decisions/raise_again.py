"""Raises the count of an emergency scaling again that somebody has set back, once for each, or calls people."""

from datetime import datetime

from contracts.base import Target, caused_id
from contracts.policy import ServicePolicy
from contracts.scaling import ScalingDecided
from services._chassis.transition import Decision, Job, Transition
from services.recovery.decisions.record import on_record
from services.recovery.decisions.scale import decided_on, of_scaling
from services.recovery.domain.moves import acted
from services.recovery.domain.moves.remembered import Change
from services.recovery.domain.outside.answer import Answer
from services.recovery.domain.outside.decision_record import record_once
from services.recovery.domain.protection import Protection
from services.recovery.domain.scaling.scale_work import ScaleWork
from services.recovery.domain.scaling.scaling import Again, EmergencyScaling, WhyScale, not_scaled_and_called
from services.recovery.domain.scaling.set_back import Live, RaiseAgain, on_fall

RAISE_AGAIN = "raise-again"
"""The kind of the job that raises the count again."""


def consider_fall(work: ScaleWork, fall: Change | None, live: Live, policy: ServicePolicy, now: datetime) -> Transition:
    """Begin to raise the count again, or record why not. It is decided once, however often the fall is looked at."""

    def decide(protection: Protection, scaling: EmergencyScaling) -> Decision:
        found = on_fall(scaling, fall, live, policy.recovery.scaling_reapply, now)
        if found is None:
            return Decision()
        if isinstance(found, Answer):
            return _recorded(protection, work.target, scaling, found, policy, now)
        return _begun(protection, work, scaling, found, policy, now)

    return of_scaling(work, decide)


def _begun(
    protection: Protection,
    work: ScaleWork,
    scaling: EmergencyScaling,
    found: RaiseAgain,
    policy: ServicePolicy,
    now: datetime,
) -> Decision:
    """Remember that it is raised again, and publish that, before anything is changed."""
    assert scaling.plan is not None  # noqa: S101  what has no plan has nothing to raise
    job = Job(caused_id(scaling.scaling_id, RAISE_AGAIN), RAISE_AGAIN, work.to_bytes())
    noted = scaling.model_copy(update={"again": Again(job=job.id, who=found.who, fell_to=found.fell_to, at=now)})
    sentence = (
        f"Raises the desired count of {scaling.scaling_id} again to {scaling.plan.raised.desired}, once: {found.who} "
        f"has set it back to {found.fell_to}."
    )
    decision = _recorded(
        protection.replace(scaling=noted), work.target, noted, Answer("acted", WhyScale.SET_BACK, sentence), policy, now
    )
    records = decision.records | acted.of_raising_again(scaling.scaling_id, job.id)
    return Decision(decision.state, jobs=(job,), emit=decision.emit, records=records, indexes=decision.indexes)


def _recorded(
    protection: Protection,
    target: Target,
    scaling: EmergencyScaling,
    answer: Answer,
    policy: ServicePolicy,
    now: datetime,
) -> Decision:
    event = decided_on(target, scaling, answer, now, policy.digest)
    known, record = record_once(protection, event, scaling.scaling_id)
    return on_record(Decision(known.to_bytes()), record)


def not_raised(work: ScaleWork, why: str, now: datetime) -> Transition:
    """Call people, since the count could not be raised again; it is not tried once more. ``why``: a clause."""

    def decide(protection: Protection, scaling: EmergencyScaling) -> Decision:
        if scaling.again is None or scaling.again.done or scaling.phase == "restoring":
            return Decision()
        over = scaling.model_copy(update={"again": scaling.again.model_copy(update={"done": True})})
        answer = not_scaled_and_called(WhyScale.SET_BACK, f"the count could not be raised again: {why}")
        event = decided_on(work.target, over, answer, now)
        known, record = record_once(protection.replace(scaling=over), event, scaling.scaling_id)
        return on_record(Decision(known.to_bytes()), record)

    return of_scaling(work, decide)


def decided_again(protection: Protection, event: ScalingDecided) -> Decision:
    """Know again that a count was raised again, which a Redis restored from an older copy has forgotten."""
    scaling = protection.scaling
    raised = event.decision == "acted" and event.reason == WhyScale.SET_BACK
    if not raised or scaling is None or scaling.scaling_id != event.scaling_id or scaling.again is not None:
        return Decision()
    again = Again(who="somebody", at=event.decided_at, done=True)
    # what this Redis has forgotten may have been called
    called_at = max(scaling.called_at or event.decided_at, event.decided_at)
    known = protection.replace(scaling=scaling.model_copy(update={"again": again, "called_at": called_at}))
    return Decision(known.to_bytes(), cancel_jobs=(caused_id(event.scaling_id, RAISE_AGAIN),))
