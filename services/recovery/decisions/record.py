"""Puts a decision on record: as an event, for those who ask, and in the list of the target."""

from dataclasses import replace

from contracts.base import Target
from contracts.bounds import as_json
from contracts.recovery import RollbackDecided
from contracts.scaling import ScalingDecided
from contracts.state import read_record
from services._chassis.transition import Decision, Emit, Index
from services.recovery.domain.outside.decision_record import MOST_KEPT, NewRecord


def on_record(decision: Decision, record: NewRecord | None) -> Decision:
    """Return the decision that publishes and keeps what was decided as well; the same where it is on record."""
    if record is None:
        return decision
    event = record.event
    line = Index(decisions_index(event.target), str(record.place), event.decided_at.timestamp(), MOST_KEPT)
    return replace(
        decision,
        emit=(*decision.emit, Emit(event, record.id)),
        records={**decision.records, decision_key(event.target, str(record.place)): as_json(event)},
        indexes=(*decision.indexes, line),
    )


def decisions_index(target: Target) -> str:
    """Return the index of a target's decisions: the places of their records, by time."""
    return f"decisions:{target}"


def decision_key(target: Target, place: str) -> str:
    return f"decision:{target}:{place}"


def read_decision(record: bytes | None) -> RollbackDecided | ScalingDecided | None:
    """Return a decision that is on record; None where there is none, or where it cannot be read."""
    if record is not None and b'"scaling_id"' in record:
        return read_record(ScalingDecided, record)
    return read_record(RollbackDecided, record)
