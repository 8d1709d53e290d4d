"""Bus in, bus out: what other services tell about a target becomes an issue of it."""

from contracts.envelope import Meta
from contracts.recovery import DriftObserved
from services._chassis.transition import Transition
from services.diagnostics.decisions import record_published
from services.diagnostics.domain.drift import DRIFT, issue_of


async def drift(event: DriftObserved, meta: Meta) -> Transition:
    """Keep how the service differs from its last good snapshot, as recovery tells it."""
    return record_published(event.target, DRIFT.kind, issue_of(event), meta.id)
