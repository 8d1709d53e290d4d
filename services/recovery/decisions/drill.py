"""Begins a drill, keeps how far it has come, and ends it: measured, stopped by what goes before it, or failed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal

from contracts.base import Target, caused_id
from contracts.drills import DrillFinished, DrillStarted
from contracts.health import HealthScored
from contracts.monitor import CriticalAlert
from contracts.policy import ServicePolicy
from contracts.prose import prose
from services._chassis.transition import Decision, Emit, Job, Timer, Transition
from services.recovery.decisions.unscale import begin_restoring
from services.recovery.domain.drill.drill import MOST_PAST_DRILLS, Drill, KnownScore, PastDrill
from services.recovery.domain.drill.drill_findings import measured_sentence, slowness
from services.recovery.domain.drill.drill_work import DrillOperation, DrillWork
from services.recovery.domain.outside import alert as alerts
from services.recovery.domain.protection import Protection, key_of

DRILL = "drill"
"""The kind of its job."""
LOOKS = timedelta(minutes=10)
"""For so long AWS may not let recovery look before the drill ends; what it looks for then sets a time of its own."""


def begin_drill(protection: Protection, target: Target, drill: Drill) -> Decision:
    """Begin a drill: state, job, operation, and the timer that ends it. The caller has made sure that it may."""
    work = DrillWork(target=target, drill_id=drill.drill_id)
    return Decision(
        protection.replace(drill=drill).to_bytes(),
        jobs=(Job(drill.drill_id, DRILL, work.to_bytes()),),
        timers=(end_timer(work, drill.until),),
        records=DrillOperation.of(target, drill).record,
    )


def end_timer(work: DrillWork, at: datetime) -> Timer:
    return Timer(timer_id(work.drill_id), "end_drill", at.timestamp(), work.to_bytes())


def timer_id(drill_id: str) -> str:
    return f"drill-over:{drill_id}"


def note_plan(work: DrillWork, **planned: Any) -> Transition:
    """Remember what is about to be done, and publish that, before anything is changed."""

    def decide(_: Protection, drill: Drill) -> Decision:
        event = DrillStarted(
            target=work.target,
            drill_id=drill.drill_id,
            plan=drill.plan,
            sentence=drill.sentence,
            until=drill.until,
            trigger=drill.trigger,
        )
        return Decision(
            emit=(Emit(event, caused_id(drill.drill_id, "drill-started")),),
            timers=(end_timer(work, drill.until),),
            records=DrillOperation.of(work.target, drill).record,
        )

    return of_drill(work, lambda protection, drill: _noted(protection, drill, planned, decide))


def _noted(
    protection: Protection, drill: Drill, changes: dict[str, Any], decide: Callable[[Protection, Drill], Decision]
) -> Decision:
    noted = Drill.model_validate(drill.model_copy(update=changes).model_dump())
    return replace(decide(protection, noted), state=protection.replace(drill=noted).to_bytes())


def note(work: DrillWork, **changes: Any) -> Transition:
    """Keep a step of the drill, so that any executor can go on."""
    return of_drill(work, lambda protection, drill: _noted(protection, drill, changes, lambda *_: Decision()))


def measured(work: DrillWork, now: datetime) -> Transition:
    """End a drill whose tasks have served, and of which nothing is left to be waited for."""
    return of_drill(work, lambda protection, drill: _measured(protection, work.target, drill, now))


def planned(work: DrillWork, sentence: str, now: datetime) -> Transition:
    """End a drill that has looked whether a plan could be carried out, and made nothing."""
    return of_drill(work, lambda protection, drill: _end(protection, work.target, drill, "measured", sentence, now))


def failed(work: DrillWork, why: str, now: datetime, *, cancel: bool = False) -> Transition:
    """End a drill whose plan could not be carried out; ``why`` is a sentence, and a finding."""

    def decide(protection: Protection, drill: Drill) -> Decision:
        if not drill.sentence:
            return _refused(protection, work.target, drill, why, now, cancel=cancel)
        finding = f"The plan {drill.plan} could not be carried out: {why}"
        return _end(protection, work.target, drill, "failed", why, now, finding, cancel=cancel)

    return of_drill(work, decide)


def refused(work: DrillWork, sentence: str, now: datetime) -> Transition:
    """End a drill before anything was done."""
    return of_drill(work, lambda protection, drill: _refused(protection, work.target, drill, sentence, now))


def stopped(work: DrillWork, why: str, now: datetime) -> Transition:
    """End a drill from within its job, since ``why``, a clause."""
    return of_drill(work, lambda protection, _: stop_drill(protection, work.target, why, now, cancel=False))


def on_time(work: DrillWork, now: datetime) -> Transition:
    """End a drill that has not ended in time; where its tasks have served, what was left to wait for is not counted."""
    late = f"It was not over by {now:%H:%M:%S} UTC."

    def decide(protection: Protection, drill: Drill) -> Decision:
        if drill.restored:
            return stop_drill(protection, work.target, "Redis was restored from a copy of before it", now)
        if drill.served_at is not None:
            return _measured(protection, work.target, drill, now, cancel=True)
        why = f" AWS did not let it go on: {drill.waits.rstrip('.')}." if drill.waits else ""
        return failed(work, f"{late}{why}", now, cancel=True).decide(protection.to_bytes())

    return of_drill(work, decide)


def stop_drill(protection: Protection, target: Target, why: str, now: datetime, *, cancel: bool = True) -> Decision:
    """End the target's drill at once, since ``why``, a clause; do nothing where there is none.

    What a scaling has set begins to come back. What was deployed once more is the version that was live, and ECS goes
    on with it. ``cancel``: its job may be under way.
    """
    drill = protection.drill
    if drill is None:
        return Decision()
    sentence = f"Ended early, since {why.rstrip('.')}."
    if not drill.sentence:
        return _refused(protection, target, drill, sentence, now, cancel=cancel)
    if drill.served_at is not None:
        return _measured(protection, target, drill, now, cancel=cancel)
    return _end(protection, target, drill, "stopped", sentence, now, cancel=cancel)


def _measured(protection: Protection, target: Target, drill: Drill, now: datetime, *, cancel: bool = False) -> Decision:
    finding = slowness(drill, protection.past_drills)
    return _end(protection, target, drill, "measured", measured_sentence(drill), now, finding, cancel=cancel)


def _refused(
    protection: Protection, target: Target, drill: Drill, sentence: str, now: datetime, *, cancel: bool = False
) -> Decision:
    operation = DrillOperation.of(target, drill).failed(sentence, now, result="refused")
    return Decision(
        protection.replace(drill=None).to_bytes(),
        cancel_jobs=(drill.drill_id,) if cancel else (),
        cancel_timers=(timer_id(drill.drill_id),),
        records=operation.record,
    )


def _end(
    protection: Protection,
    target: Target,
    drill: Drill,
    result: Literal["measured", "stopped", "failed"],
    sentence: str,
    now: datetime,
    finding: str = "",
    *,
    cancel: bool = False,
) -> Decision:
    past = PastDrill(
        drill_id=drill.drill_id,
        plan=drill.plan,
        result=result,
        began_at=drill.called_at or drill.asked_at,
        finished_at=now,
        rto_seconds=drill.rto_seconds,
        rpo_seconds=drill.rpo_seconds,
        version=drill.version,
        deployment_id=drill.deployment_id,
        sentence=prose(sentence),
        finding=prose(finding),
        actor=drill.actor,
    )
    event = DrillFinished(target=target, **past.model_dump(exclude={"actor"}))
    operation = DrillOperation.of(target, drill)
    end = operation.finished if result == "measured" else operation.failed
    ended = Decision(
        over(protection, past).to_bytes(),
        emit=(Emit(event, caused_id(drill.drill_id, "drill-finished")),),
        cancel_jobs=(drill.drill_id,) if cancel else (),
        cancel_timers=(timer_id(drill.drill_id),),
        records=end(past.sentence, now, result=result, rto_seconds=past.rto_seconds, finding=past.finding).record,
    )
    scaling = protection.scaling
    if scaling is None or scaling.scaling_id != drill.scaling_id:
        return ended
    return both(ended, lambda after: begin_restoring(after, target, now))


def over(protection: Protection, past: PastDrill) -> Protection:
    """Return the protection with a drill that is over."""
    others = (known for known in protection.past_drills if known.drill_id != past.drill_id)
    under_way = protection.drill
    return protection.replace(
        drill=None if under_way is not None and under_way.drill_id == past.drill_id else under_way,
        past_drills=(*others, past)[-MOST_PAST_DRILLS:],
    )


def goes_first(
    protection: Protection, target: Target, why: str, now: datetime, then: Callable[[Protection], Decision]
) -> Decision:
    """Decide what goes before a drill: that is ended first, since ``why``, a clause."""
    return both(stop_drill(protection, target, why, now), then, protection)


def both(first: Decision, then: Callable[[Protection], Decision], before: Protection | None = None) -> Decision:
    """Return two decisions on the same target as one; the second sees what the first leaves, or else ``before``."""
    if first.state is None:
        return then(before or Protection())
    second = then(Protection.from_bytes(first.state))
    return replace(
        second,
        state=second.state or first.state,
        emit=(*first.emit, *second.emit),
        timers=(*first.timers, *second.timers),
        cancel_timers=(*first.cancel_timers, *second.cancel_timers),
        jobs=(*first.jobs, *second.jobs),
        cancel_jobs=(*first.cancel_jobs, *second.cancel_jobs),
        records={**first.records, **second.records},
        indexes=(*first.indexes, *second.indexes),
        audit=(*first.audit, *second.audit),
        ignore_once=False,
    )


def on_alert(
    protection: Protection, alert: CriticalAlert, now: datetime, then: Callable[[Protection], Decision]
) -> Decision:
    """Decide on an alert; one that a drill does not explain ends that first, and counts."""
    drill = protection.drill
    raised = alert.state == "raised" and not alerts.late(protection, alert)
    if drill is None or not raised or drill.explains(alert):
        return then(protection)
    return goes_first(protection, alert.target, f"a critical alert fires ({alert.rule})", now, then)


def on_score(protection: Protection, event: HealthScored, at: datetime, policy: ServicePolicy | None) -> Decision:
    """Remember the score, and end a drill where it is too low; of a service that nobody tries, it is not remembered."""
    tried = protection.drill is not None or (policy is not None and policy.drills.enabled)
    if not tried or (protection.score is not None and at <= protection.score.at):
        return Decision(unmarked=True)
    known = protection.replace(score=KnownScore(low=event.low, at=at))
    drill = known.drill
    if drill is None or event.low >= drill.minimum_health_score:
        return Decision(known.to_bytes(), unmarked=True)
    why = f"the health score may be {event.low:.0f}, below {drill.minimum_health_score:g}"
    return replace(stop_drill(known, event.target, why, at), unmarked=True)


def of_drill(work: DrillWork, decide: Callable[[Protection, Drill], Decision]) -> Transition:
    """Return a transition of the target's drill; it does nothing where that is over."""

    def on(state: bytes | None) -> Decision:
        protection = Protection.from_bytes(state)
        drill = protection.drill
        if drill is None or drill.drill_id != work.drill_id:
            return Decision()
        return decide(protection, drill)

    return Transition(key_of(work.target), on)
