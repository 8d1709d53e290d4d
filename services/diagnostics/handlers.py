"""Bus in, bus out: what other services tell about a target becomes an issue of it."""

from contracts.envelope import Meta
from contracts.moves import ServiceMoved
from contracts.recovery import DriftObserved, ReadinessChanged
from services._chassis.transition import Transition
from services.diagnostics.decisions import record_published
from services.diagnostics.domain import drift as drifts
from services.diagnostics.domain import lowered, still_named, way_back


async def drift(event: DriftObserved, meta: Meta) -> Transition:
    """Keep how the service differs from its last good snapshot, as recovery tells it."""
    return record_published(event.target, {drifts.DRIFT.kind: drifts.issue_of(event)}, meta.id)


async def readiness(event: ReadinessChanged, meta: Meta) -> Transition:
    """Keep whether one can go back, as recovery tells it."""
    return record_published(event.target, way_back.issues_of(event), meta.id)


async def moved(event: ServiceMoved, meta: Meta) -> Transition | None:
    """Keep what a move leaves in the way, as recovery tells it; of most moves nothing follows."""
    if event.still_named:
        return record_published(event.target, {still_named.NAMED.kind: still_named.issue_of(event)}, meta.id)
    if event.lowered:
        return record_published(event.target, {lowered.LOWERED.kind: lowered.issue_of(event)}, meta.id)
    return None
