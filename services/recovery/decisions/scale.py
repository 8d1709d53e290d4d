"""Begins an emergency scaling, keeps what is planned and set, and ends its way up."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from contracts.base import Target, caused_id, joined
from contracts.monitor import CriticalRule
from contracts.policy_section import Digest
from contracts.prose import prose
from contracts.recovery import ManualTrigger
from contracts.scaling import ScalingDecided, ScalingStarted
from services._chassis.transition import Decision, Emit, Job, Timer, Transition
from services.recovery.decisions.moved import LOOK_MOVES
from services.recovery.decisions.record import on_record
from services.recovery.domain.moves.remembered import MovesWork
from services.recovery.domain.outside.answer import Answer
from services.recovery.domain.outside.decision_record import record_once
from services.recovery.domain.protection import Protection, key_of
from services.recovery.domain.scaling.scale_plan import Planned, Wanted
from services.recovery.domain.scaling.scale_work import ScaleWork, ScalingOperation
from services.recovery.domain.scaling.scaling import (
    MOST_PAST_SCALINGS,
    EmergencyScaling,
    Measured,
    PastScaling,
    WhyScale,
    not_scaled,
)

SCALE = "scale"
"""The kind of the job that raises the counts."""
MOVES_APART = timedelta(minutes=1)
"""How often it is looked whether somebody takes back what a scaling lends."""


def why_not_scale(protection: Protection, now: datetime) -> Answer | None:
    """Return why no scaling may begin, as far as this service's own state says it; None where one may.

    Who changes the service goes first: a scaling waits for runs and rollbacks, and none of them waits for a scaling.
    """
    if protection.scaling is not None:
        scaling = protection.scaling
        until = f"{scaling.until:%H:%M:%S} UTC"
        what = "is being ended" if scaling.phase == "restoring" else f"stands until {until}; end it first"
        return not_scaled(WhyScale.UNDER_WAY, f"{scaling.scaling_id} {what}")
    if protection.rollback is not None:
        return not_scaled(WhyScale.UNDER_WAY, f"{protection.rollback.rollback_id} is under way on this service")
    held = protection.arm
    if held is not None and held.active(now):
        until = f"{held.expires_at:%H:%M:%S} UTC"
        because = f"run {held.run_id} is armed on this service until {until}; wait for its end, or abort it"
        return not_scaled(WhyScale.ARMED, because)
    return None


def wanted_of(protection: Protection, scaling: EmergencyScaling) -> Wanted:
    """Return what a scaling asks for, with what the state of its target says of the database."""
    return Wanted(
        count=scaling.target_count,
        by_itself=bool(scaling.incident),
        overridden=frozenset(override.gate for override in scaling.overrides),
        database_refuses=any(alert.rule == CriticalRule.DATABASE_CONNECTIONS for alert in protection.firing.values()),
    )


def begin_scaling(protection: Protection, target: Target, scaling: EmergencyScaling) -> Decision:
    """Begin a scaling: state, job, operation, and the timer that ends it. The caller has made sure that it may."""
    work = ScaleWork(target=target, scaling_id=scaling.scaling_id)
    return Decision(
        protection.replace(scaling=scaling).to_bytes(),
        jobs=(Job(scaling.scaling_id, SCALE, work.to_bytes()),),
        timers=(end_timer(work, scaling.until), moves_timer(target, scaling.asked_at)),
        records=ScalingOperation.up(work, scaling).record,
    )


def end_timer(work: ScaleWork, at: datetime) -> Timer:
    """Return the durable timer at which what was set is restored; setting it again replaces it."""
    return Timer(timer_id(work.scaling_id), "unscale", at.timestamp(), work.to_bytes())


def moves_timer(target: Target, now: datetime) -> Timer:
    """Return the timer of the next look whether somebody takes back what is lent."""
    due = now + MOVES_APART
    return Timer(f"moves:{target}", "moves", due.timestamp(), MovesWork(target=target).to_bytes())


def look_at_moves(protection: Protection, work: MovesWork, timer: Timer, now: datetime) -> Decision:
    """Look while an emergency scaling stands: a fall of its count is told at once."""
    if work.target is None or protection.scaling is None:
        return Decision()
    job = Job(f"{LOOK_MOVES}:{timer.id}:{timer.due:.0f}", LOOK_MOVES, work.to_bytes())
    return Decision(jobs=(job,), timers=(moves_timer(work.target, now),))


def timer_id(scaling_id: str) -> str:
    return f"unscale:{scaling_id}"


def decided_on(
    target: Target, scaling: EmergencyScaling, answer: Answer, now: datetime, digest: Digest = ""
) -> ScalingDecided:
    """Return the event of a decision about a scaling."""
    return ScalingDecided(
        target=target,
        decision=answer.decision,
        reason=answer.why,
        sentence=answer.sentence,
        trigger=scaling.trigger,
        decided_at=now,
        scaling_id=scaling.scaling_id,
        policy_digest=digest,
    )


def refuse_by_hand(protection: Protection, target: Target, scaling: EmergencyScaling, answer: Answer) -> Decision:
    """Record that a scaling by hand is refused. The same person's same request is recorded once for each reason."""
    asked = scaling.trigger if isinstance(scaling.trigger, ManualTrigger) else ManualTrigger()
    event = decided_on(target, scaling, answer, scaling.asked_at).model_copy(update={"scaling_id": ""})
    known, record = record_once(protection, event, joined(asked.summary, answer.sentence))
    return on_record(Decision(known.to_bytes()), record)


def note_plan(work: ScaleWork, planned: Planned, now: datetime, digest: Digest) -> Transition:
    """Remember what is there and what is to be set, and publish that, before anything is changed."""

    def decide(protection: Protection, scaling: EmergencyScaling) -> Decision:
        if scaling.plan is not None:
            return Decision()
        plan = planned.plan
        noted = scaling.model_copy(update={"plan": plan})
        sentence = prose(" ".join((plan.sentence, *planned.warnings)))
        event = ScalingStarted(
            target=work.target,
            scaling_id=work.scaling_id,
            before=plan.before,
            raised=plan.raised,
            autoscaled=plan.autoscaled,
            until=scaling.until,
            sentence=sentence,
            trigger=scaling.trigger,
        )
        answer = Answer("acted", WhyScale.ALERT if scaling.incident else WhyScale.PERSON, sentence)
        decision_event = decided_on(work.target, noted, answer, now, digest)
        known, record = record_once(protection, decision_event, work.scaling_id)
        decision = Decision(
            known.replace(scaling=noted).to_bytes(),
            emit=(Emit(event, caused_id(work.scaling_id, "scaling-started")),),
            records=ScalingOperation.up(work, noted).record,
        )
        return on_record(decision, record)

    return of_scaling(work, decide)


def refuse(work: ScaleWork, answer: Answer, now: datetime, digest: Digest) -> Transition:
    """End a scaling before anything was set, and record why."""

    def decide(protection: Protection, scaling: EmergencyScaling) -> Decision:
        past = past_of(scaling, "refused", answer.sentence, now)
        operation = ScalingOperation.up(work, scaling).failed(answer.sentence, now, result="refused")
        known, record = record_once(
            over(protection, past), decided_on(work.target, scaling, answer, now, digest), work.scaling_id
        )
        decision = Decision(known.to_bytes(), cancel_timers=(timer_id(work.scaling_id),), records=operation.record)
        return on_record(decision, record)

    return of_scaling(work, decide)


def note(work: ScaleWork, notes: tuple[str, ...] = (), **changes: Any) -> Transition:
    """Keep a step of the scaling, so that any executor can go on.

    Its time may have been over in the middle of the step: what is being restored is not raised again.
    """

    def decide(protection: Protection, scaling: EmergencyScaling) -> Decision:
        phase = scaling.phase if scaling.phase == "restoring" else changes.get("phase", scaling.phase)
        noted = scaling.model_copy(update={**changes, "phase": phase}).noting(*notes)
        return Decision() if noted == scaling else Decision(protection.replace(scaling=noted).to_bytes())

    return of_scaling(work, decide)


def end_raising(work: ScaleWork, sentence: str, now: datetime, measured: Measured | None = None) -> Transition:
    """End the operation of a scaling whose counts are raised; what it has set stands until its time is over.

    ``measured``: what it took; None where its tasks do not run yet.
    """

    def decide(protection: Protection, scaling: EmergencyScaling) -> Decision:
        if scaling.answered or scaling.phase == "restoring":
            return Decision()
        ended = scaling.model_copy(update={"phase": "raised", "answered": True, "measured": measured})
        operation = ScalingOperation.up(work, ended).finished(sentence, now, result="scaled")
        return Decision(protection.replace(scaling=ended).to_bytes(), records=operation.record)

    return of_scaling(work, decide)


def past_of(scaling: EmergencyScaling, result: Any, sentence: str, now: datetime) -> PastScaling:
    return PastScaling(
        scaling_id=scaling.scaling_id,
        began_at=scaling.asked_at,
        result=result,
        sentence=prose(sentence),
        incident=scaling.incident,
        plan=scaling.plan,
        measured=scaling.measured,
        restoring_since=scaling.restoring_since,
        ended_at=now,
        ended_by=scaling.ended_by,
    )


def over(protection: Protection, past: PastScaling) -> Protection:
    """Return the protection without its scaling, which is over."""
    return protection.replace(scaling=None, past_scalings=(*protection.past_scalings, past)[-MOST_PAST_SCALINGS:])


def of_scaling(work: ScaleWork, decide: Callable[[Protection, EmergencyScaling], Decision]) -> Transition:
    """Return a transition of the target's scaling; it does nothing where that is over."""

    def on(state: bytes | None) -> Decision:
        protection = Protection.from_bytes(state)
        scaling = protection.scaling
        if scaling is None or scaling.scaling_id != work.scaling_id:
            return Decision()
        return decide(protection, scaling)

    return Transition(key_of(work.target), on)
