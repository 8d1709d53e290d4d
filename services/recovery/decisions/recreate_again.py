"""Takes in what this service has published of recreations: a Redis restored from an older copy may not know it."""

from dataclasses import replace
from datetime import datetime

from contracts.recreation import RecreationFinished, RecreationStarted
from services._chassis.transition import Decision
from services.recovery.decisions.recreate import ended, expires
from services.recovery.domain.protection import Protection
from services.recovery.domain.recreation.recreation import Recreation, RecreationOperation


def started_again(protection: Protection, event: RecreationStarted, began_at: datetime) -> Decision:
    """Know again that a recreation was approved, so that it ends: what it has made is not known any more.

    Its end is decided once all is read (``recreate.expire``), unless it was published as well (``finished_again``).
    One that the copy knows as approved goes on.
    """
    known = protection.recreation
    if any(past.recreation_id == event.recreation_id for past in protection.past_recreations):
        return Decision()
    if known is not None and (known.recreation_id != event.recreation_id or known.approved_by):
        return Decision()
    recreation = Recreation(
        recreation_id=event.recreation_id,
        snapshot_id=event.snapshot_id,
        plan=event.plan,
        makes=event.makes,
        asked_at=known.asked_at if known is not None else began_at,
        until=began_at,
        actor=event.actor,
        reason=event.reason,
        approved_by=event.approved_by,
        approved_at=began_at,
        restored=True,
    )
    return Decision(
        protection.replace(recreation=recreation).to_bytes(),
        timers=(expires(event.target, recreation),),
        records=RecreationOperation.of(event.target, recreation, event.sentence).record,
    )


def finished_again(protection: Protection, event: RecreationFinished, ended_at: datetime) -> Decision:
    """Know again that a recreation is over."""
    known = protection.recreation
    if known is None or known.recreation_id != event.recreation_id:
        return Decision()
    over = ended(protection, event.target, known, event.result, event.sentence, ended_at)
    return replace(over, emit=(), cancel_jobs=(event.recreation_id,))
