"""Ends an emergency scaling: begins the restoration, looks again later where it has to wait, and publishes its end."""

from datetime import datetime, timedelta
from typing import Literal

from contracts.base import Target, caused_id
from contracts.prose import prose
from contracts.recovery import ManualTrigger
from contracts.scaling import ScalingFinished, ScalingStarted
from services._chassis.transition import Decision, Emit, Job, Transition
from services.recovery.decisions.record import on_record
from services.recovery.decisions.scale import decided_on, end_timer, of_scaling, over, past_of, timer_id
from services.recovery.domain.moves import acted
from services.recovery.domain.outside.answer import Answer
from services.recovery.domain.outside.decision_record import NewRecord, record_once
from services.recovery.domain.protection import Protection
from services.recovery.domain.scaling.scale_work import ScaleWork, ScalingOperation
from services.recovery.domain.scaling.scaling import EmergencyScaling, ScalingPlan, WhyScale

UNSCALE = "unscale"
"""The kind of the job that restores what was set."""
AGAIN = timedelta(seconds=60)
"""Product time until a restoration that has to wait, or that AWS does not take, is tried again."""
LONGEST = timedelta(hours=24)
"""For so long AWS may refuse the restoration; then it ends as failed. People are called long before."""
CALL_AFTER = timedelta(minutes=10)
"""For so long it may do so before people are called."""


def begin_restoring(protection: Protection, target: Target, now: datetime, by: ManualTrigger | None = None) -> Decision:
    """Begin to restore what the target's scaling has set; ``by`` is the person who ends it early.

    What the job of the way up had begun is cancelled, and its operation ends.
    """
    scaling = protection.scaling
    if scaling is None or scaling.phase == "restoring":
        return Decision()
    work = ScaleWork(target=target, scaling_id=scaling.scaling_id)
    restoring = scaling.model_copy(
        update={
            "phase": "restoring",
            "restoring_since": now,
            "answered": True,
            "ended_by": by.actor if by else "",
            "ended_why": by.reason if by else "",
        }
    )
    records = ScalingOperation.back(work, restoring).record
    if not scaling.answered:
        sentence = "It was ended before all its tasks ran; what it has set is being restored."
        records |= ScalingOperation.up(work, scaling).failed(sentence, now, result="failed").record
    job = restore_job(work, now.timestamp())
    return Decision(
        protection.replace(scaling=restoring).to_bytes(),
        jobs=(job,),
        cancel_jobs=_raising(scaling),
        cancel_timers=(timer_id(scaling.scaling_id),),
        records=records | acted.of_scaling(work.scaling_id, job.id),
    )


def _raising(scaling: EmergencyScaling) -> tuple[str, ...]:
    """Return the ids of the jobs that may still be on the way up."""
    again = scaling.again
    return (
        *(() if scaling.answered else (scaling.scaling_id,)),
        *((again.job,) if again is not None and again.job and not again.done else ()),
    )


def restore_job(work: ScaleWork, due: float) -> Job:
    """Return the job of one try; a later one has another id."""
    return Job(caused_id(f"{work.scaling_id}:{due}", UNSCALE), UNSCALE, work.to_bytes())


def on_time(protection: Protection, work: ScaleWork, due: float, now: datetime) -> Decision:
    """Begin the restoration when the scaling's time is over, or try it again. ``due`` is the time of its timer."""
    scaling = protection.scaling
    if scaling is None or scaling.scaling_id != work.scaling_id:
        return Decision()
    if scaling.phase == "restoring":
        job = restore_job(work, due)
        return Decision(jobs=(job,), records=acted.of_scaling(work.scaling_id, job.id))
    return begin_restoring(protection, work.target, now)


def give_up(work: ScaleWork, why: str, now: datetime) -> Transition:
    """End a scaling that AWS does not let recovery make; what is set of it is restored at once."""

    def decide(protection: Protection, scaling: EmergencyScaling) -> Decision:
        if scaling.phase == "restoring":
            return Decision()
        operation = ScalingOperation.up(work, scaling).failed(why, now, result="failed")
        given_up = protection.replace(scaling=scaling.model_copy(update={"answered": True, "waits": prose(why)}))
        decision = begin_restoring(given_up, work.target, now)
        return Decision(
            decision.state,
            jobs=decision.jobs,
            cancel_timers=decision.cancel_timers,
            records=decision.records | operation.record,
        )

    return of_scaling(work, decide)


def again(work: ScaleWork, now: datetime, why: str, *, refused: bool = False) -> Transition:
    """Try the restoration again later. ``refused``: AWS does not let it be made; then people are called in time."""

    def decide(protection: Protection, scaling: EmergencyScaling) -> Decision:
        since = scaling.restoring_since or now
        if refused and now - since >= LONGEST:
            return _end(protection, scaling, work, "failed", f"It could not be restored: {why}", now)
        noted = protection.replace(scaling=scaling.model_copy(update={"waits": prose(why)}))
        decision = Decision(noted.to_bytes(), timers=(end_timer(work, now + AGAIN),))
        if not refused or now - since < CALL_AFTER:
            return decision
        sentence = f"Could not restore what {work.scaling_id} has set, and tries again every minute: {why}"
        answer = Answer("people-called", WhyScale.NOT_RESTORED, sentence)
        known, record = record_once(noted, decided_on(work.target, scaling, answer, now), work.scaling_id)
        return on_record(Decision(known.to_bytes(), timers=decision.timers), record)

    return of_scaling(work, decide)


def restored(work: ScaleWork, now: datetime) -> Transition:
    """End a scaling of which all is restored, apart from what others have changed."""

    def decide(protection: Protection, scaling: EmergencyScaling) -> Decision:
        result: Literal["restored", "left"] = "left" if scaling.notes else "restored"
        return _end(protection, scaling, work, result, restored_sentence(scaling), now)

    return of_scaling(work, decide)


def restored_sentence(scaling: EmergencyScaling) -> str:
    """Return what was restored, and what others had changed."""
    plan = scaling.plan
    if plan is None:
        return "Nothing had been set."
    if scaling.notes:
        policies = " The autoscaler's policies decide on the count." if plan.autoscaled else ""
        what = f"What was still as it had been set is as before.{policies}"
    elif plan.autoscaled:
        what = "What was set of the autoscaler's limits is as before, and its policies decide on the count."
    else:
        what = f"{plan.before.desired} tasks are wanted again."
    return " ".join((what, *scaling.notes))


def _end(
    protection: Protection,
    scaling: EmergencyScaling,
    work: ScaleWork,
    result: Literal["restored", "left", "failed"],
    sentence: str,
    now: datetime,
) -> Decision:
    event = ScalingFinished(
        target=work.target,
        scaling_id=work.scaling_id,
        result=result,
        sentence=sentence,
        actor=scaling.ended_by,
        reason=scaling.ended_why,
    )
    operation = ScalingOperation.back(work, scaling)
    end = operation.failed if result == "failed" else operation.finished
    known, record = _still(over(protection, past_of(scaling, result, sentence, now)), work, scaling, now)
    decision = Decision(
        known.to_bytes(),
        emit=(Emit(event, caused_id(work.scaling_id, "scaling-finished")),),
        cancel_timers=(timer_id(work.scaling_id),),
        records=end(sentence, now, result=result).record,
    )
    return on_record(decision, record)


def _still(
    protection: Protection, work: ScaleWork, scaling: EmergencyScaling, now: datetime
) -> tuple[Protection, NewRecord | None]:
    """Call people where the alert that a scaling has answered still fires: it is not answered twice."""
    if not scaling.incident or scaling.incident in protection.resolved:
        return protection, None
    sentence = f"The time of {work.scaling_id} is over, and its alert still fires: {scaling.trigger.summary}."
    answer = Answer("people-called", WhyScale.STILL, sentence)
    return record_once(protection, decided_on(work.target, scaling, answer, now), work.scaling_id)


def started_again(protection: Protection, event: ScalingStarted, began_at: datetime) -> Decision:
    """Know a scaling again that a Redis restored from an older copy does not know, so that it is restored in time."""
    past = any(past.scaling_id == event.scaling_id for past in protection.past_scalings)
    known = protection.scaling
    if past or (known is not None and (known.scaling_id != event.scaling_id or known.plan is not None)):
        return Decision()
    plan = ScalingPlan(before=event.before, raised=event.raised, autoscaled=event.autoscaled, sentence=event.sentence)
    scaling = EmergencyScaling(
        scaling_id=event.scaling_id,
        trigger=event.trigger,
        asked_at=began_at,
        until=event.until,
        phase="raised",
        answered=True,
        plan=plan,
        called_at=began_at,  # what this Redis has forgotten may have been called
    )
    work = ScaleWork(target=event.target, scaling_id=event.scaling_id)
    return Decision(
        protection.replace(scaling=scaling).to_bytes(),
        timers=(end_timer(work, event.until),),
        cancel_jobs=(event.scaling_id,),
        records=ScalingOperation.up(work, scaling).finished(event.sentence, began_at, result="scaled").record,
    )


def finished_again(protection: Protection, event: ScalingFinished, at: datetime) -> Decision:
    """Know again that a scaling is over, since ``at``."""
    scaling = protection.scaling
    if scaling is None or scaling.scaling_id != event.scaling_id:
        return Decision()
    known = scaling.model_copy(update={"ended_by": event.actor, "restoring_since": scaling.restoring_since or at})
    past = past_of(known, event.result, event.sentence, at)
    return Decision(over(protection, past).to_bytes(), cancel_timers=(timer_id(event.scaling_id),))
