"""Takes in what this service has published of drills: a Redis restored from an older copy may not know it."""

from datetime import datetime

from contracts.drills import DrillFinished, DrillStarted
from services._chassis.transition import Decision
from services.recovery.decisions.drill import end_timer, over, timer_id
from services.recovery.domain.drill.drill import Drill, PastDrill, scaling_of
from services.recovery.domain.drill.drill_work import DrillOperation, DrillWork
from services.recovery.domain.protection import Protection


def started_again(protection: Protection, event: DrillStarted, began_at: datetime) -> Decision:
    """Know a drill again that has begun, so that it ends: it is not tried once more.

    Its end is decided once all is read, unless it was published as well (``finished_again``).
    """
    known = protection.drill
    if any(past.drill_id == event.drill_id for past in protection.past_drills):
        return Decision()
    if known is not None and (known.drill_id != event.drill_id or known.sentence):
        return Decision()
    drill = Drill(
        drill_id=event.drill_id,
        plan=event.plan,
        trigger=event.trigger,
        asked_at=began_at,
        until=event.until,
        minimum_health_score=0,
        sentence=event.sentence,
        called_at=began_at,  # what this Redis has forgotten may have been called
        scaling_id=scaling_of(event.drill_id) if event.plan == "scaling" else "",
        restored=True,
    )
    return Decision(
        protection.replace(drill=drill).to_bytes(),
        cancel_jobs=(event.drill_id,),
        timers=(end_timer(DrillWork(target=event.target, drill_id=event.drill_id), began_at),),
        records=DrillOperation.of(event.target, drill).record,
    )


def finished_again(protection: Protection, event: DrillFinished) -> Decision:
    """Know a drill again that is over."""
    if any(past.drill_id == event.drill_id for past in protection.past_drills):
        return Decision()
    past = PastDrill(**event.model_dump(include=PastDrill.model_fields.keys() - {"actor"}))
    return Decision(
        over(protection, past).to_bytes(),
        cancel_jobs=(event.drill_id,),
        cancel_timers=(timer_id(event.drill_id),),
    )
