"""Asks for a service to be made again, takes an approval or a rejection, keeps each step, and ends it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from contracts.base import Target, caused_id
from contracts.persons import may_be_same
from contracts.prose import prose
from contracts.recreation import RecreationFinished, RecreationStarted
from services._chassis.transition import Decision, Emit, Job, Timer, Transition
from services.recovery.domain.protection import Protection, key_of
from services.recovery.domain.recreation.recreation import (
    MAKING_TIME,
    MOST_PAST_RECREATIONS,
    PastRecreation,
    Recreation,
    RecreationOperation,
    RecreationWork,
    Result,
)

RECREATE = "recreate"
"""The kind of the job that makes a service again."""
EXPIRES = "recreation-expires"
FORGOTTEN = (
    "Redis was restored from a copy of before its approval, so that it is not known how far it came. What was made "
    "stays; ask again, and what is still missing is shown."
)


@dataclass(frozen=True, slots=True)
class PlanDecision:
    """What a person has decided about a plan."""

    plan: str
    actor: str
    reason: str
    at: datetime


def why_not_ask(protection: Protection, now: datetime) -> str:
    """Return why nothing may be made again now, as a sentence; nothing where it may."""
    if protection.recreation is not None:
        known = protection.recreation
        waits = (
            f"is being made, with the approval of {known.approved_by}" if known.approved_by else "waits for approval"
        )
        return f"{known.recreation_id} {waits}; reject it first, or wait for its end."
    if protection.rollback is not None:
        return f"{protection.rollback.rollback_id} is under way on this service; wait for its end."
    if protection.scaling is not None:
        drill = protection.drill
        of_drill = drill is not None and drill.scaling_id == protection.scaling.scaling_id
        command = "surefoot drill --stop" if of_drill else "surefoot scale --end"
        return f"{protection.scaling.scaling_id} stands on this service; end it first ({command})."
    if protection.migration is not None:
        return f"{protection.migration.migration_id} is under way on this service; wait for its end."
    arm = protection.arm
    if arm is not None and arm.active(now):
        return f"Run {arm.run_id} is armed on this service; wait for its end, or abort it."
    return ""


def ask(protection: Protection, target: Target, recreation: Recreation) -> Decision:
    """Wait for an approval. The caller has made sure that it may be asked for."""
    sentence = (
        f"It waits until {recreation.until:%H:%M:%S} UTC for somebody else to approve the plan {recreation.plan}."
    )
    return Decision(
        protection.replace(recreation=recreation).to_bytes(),
        timers=(expires(target, recreation),),
        records=RecreationOperation.of(target, recreation, sentence).record,
    )


def expires(target: Target, recreation: Recreation) -> Timer:
    """Return the durable timer at which it ends without an approval, or since a restored Redis has forgotten it."""
    work = RecreationWork(target=target, recreation_id=recreation.recreation_id)
    return Timer(_timer_id(recreation.recreation_id), EXPIRES, recreation.until.timestamp(), work.to_bytes())


def _timer_id(recreation_id: str) -> str:
    return f"{EXPIRES}:{recreation_id}"


def why_not_approve(protection: Protection, decided: PlanDecision) -> str:
    """Return why an approval does not count, as a sentence; nothing where it does."""
    recreation = protection.recreation
    if recreation is None:
        return "Nothing waits to be made again."
    if recreation.approved_by:
        return f"{recreation.recreation_id} was approved by {recreation.approved_by} already."
    if decided.at >= recreation.until:
        return "The time for an approval is over: ask again."
    if decided.plan != recreation.plan:
        return f"What waits is another plan than the one that was approved: look at it again. It is {recreation.plan}."
    if may_be_same(decided.actor, recreation.actor):
        return "Whoever has asked for it does not approve it: somebody else has to."
    return ""


def approve(protection: Protection, target: Target, decided: PlanDecision) -> Decision:
    """Begin to make what was approved: state, job, operation and event. The caller has made sure that it counts."""
    recreation = protection.recreation
    if recreation is None:
        return Decision()
    approved = recreation.model_copy(update={"approved_by": decided.actor, "approved_at": decided.at})
    work = RecreationWork(target=target, recreation_id=recreation.recreation_id)
    of = f" from a snapshot of {recreation.source}" if recreation.source is not None else ""
    sentence = f"{len(recreation.makes)} parts are made again{of}, as {decided.actor} has approved."
    event = RecreationStarted(
        target=target,
        recreation_id=recreation.recreation_id,
        snapshot_id=recreation.snapshot_id,
        plan=recreation.plan,
        makes=recreation.makes,
        actor=recreation.actor,
        reason=recreation.reason,
        approved_by=decided.actor,
        sentence=sentence,
    )
    return Decision(
        protection.replace(recreation=approved).to_bytes(),
        emit=(Emit(event, caused_id(recreation.recreation_id, "recreation-started")),),
        jobs=(Job(recreation.recreation_id, RECREATE, work.to_bytes()),),
        cancel_timers=(_timer_id(recreation.recreation_id),),
        records=RecreationOperation.of(target, approved, sentence).record,
    )


def why_not_reject(protection: Protection, decided: PlanDecision) -> str:
    recreation = protection.recreation
    if recreation is None:
        return "Nothing waits to be made again."
    if recreation.approved_by:
        return f"It was approved by {recreation.approved_by}, and is being made."
    return "" if decided.plan == recreation.plan else f"What waits is another plan, {recreation.plan}: look at it."


def reject(protection: Protection, target: Target, decided: PlanDecision) -> Decision:
    """End what waits; nothing was made. The caller has made sure that it waits."""
    recreation = protection.recreation
    if recreation is None:
        return Decision()
    why = f": {decided.reason}" if decided.reason else ""
    return ended(
        protection, target, recreation, "rejected", f"{decided.actor} has rejected it{why}.", decided.at, decided.actor
    )


def expire(protection: Protection, work: RecreationWork, now: datetime) -> Decision:
    """End what nobody has approved in time, and what is known by its event alone."""
    recreation = protection.recreation
    if recreation is None or recreation.recreation_id != work.recreation_id:
        return Decision()
    if recreation.restored:
        return ended(protection, work.target, recreation, "failed", FORGOTTEN, now)
    if recreation.approved_by:
        return Decision()
    sentence = "Nobody has approved it in time, and nothing was made."
    return ended(protection, work.target, recreation, "expired", sentence, now)


def note(work: RecreationWork, change: Callable[[Recreation], Recreation]) -> Transition:
    """Keep a step, so that any executor can go on; the operation says what is waited for."""

    def decide(protection: Protection, recreation: Recreation) -> Decision:
        noted = change(recreation)
        if noted == recreation:
            return Decision()
        done = f"{len(noted.made)} of {len(noted.makes)} parts are made."
        sentence = f"{done} It waits: {noted.waits}" if noted.waits else done
        operation = RecreationOperation.of(work.target, noted, prose(sentence))
        return Decision(protection.replace(recreation=noted).to_bytes(), records=operation.record)

    return of_recreation(work, decide)


def end(work: RecreationWork, result: Result, sentence: str, now: datetime) -> Transition:
    """End it; what was made stays."""

    def decide(protection: Protection, recreation: Recreation) -> Decision:
        return ended(protection, work.target, recreation, result, sentence, now)

    return of_recreation(work, decide)


def ended(
    protection: Protection,
    target: Target,
    recreation: Recreation,
    result: Result,
    sentence: str,
    now: datetime,
    actor: str = "",
) -> Decision:
    past = PastRecreation(
        recreation_id=recreation.recreation_id,
        snapshot_id=recreation.snapshot_id,
        result=result,
        asked_at=recreation.asked_at,
        ended_at=now,
        sentence=prose(sentence),
    )
    event = RecreationFinished(
        target=target,
        recreation_id=recreation.recreation_id,
        snapshot_id=recreation.snapshot_id,
        result=result,
        made=tuple(key for key in recreation.makes if key in recreation.made),
        sentence=prose(sentence),
        actor=actor or recreation.actor,
        reason=recreation.reason,
    )
    operation = RecreationOperation.of(target, recreation)
    over = operation.finished if result == "recreated" else operation.failed
    kept = (*protection.past_recreations, past)[-MOST_PAST_RECREATIONS:]
    return Decision(
        protection.replace(recreation=None, past_recreations=kept).to_bytes(),
        emit=(Emit(event, caused_id(recreation.recreation_id, "recreation-finished")),),
        cancel_timers=(_timer_id(recreation.recreation_id),),
        records=over(sentence, now, result=result).record,
    )


def of_recreation(work: RecreationWork, decide: Callable[[Protection, Recreation], Decision]) -> Transition:
    """Return a transition of what is being made; it does nothing where that is over."""

    def on(state: bytes | None) -> Decision:
        protection = Protection.from_bytes(state)
        recreation = protection.recreation
        if recreation is None or recreation.recreation_id != work.recreation_id:
            return Decision()
        return decide(protection, recreation)

    return Transition(key_of(work.target), on)


def deadline(recreation: Recreation) -> datetime:
    """Return until when it has to serve again."""
    return (recreation.approved_at or recreation.asked_at) + MAKING_TIME
