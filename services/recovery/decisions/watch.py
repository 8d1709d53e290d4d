"""What a look at the ways back of a service changes: the same is told once."""

from datetime import datetime, timedelta

from contracts.base import Target, caused_id
from contracts.prose import Prose, prose
from contracts.recovery import DriftObserved
from contracts.state import State
from services._chassis.transition import Decision, Emit, Transition
from services.recovery.domain.drift import Drift, DriftState

WATCH = "watch-ways-back"
"""The kind of its job."""


PUBLISH_AGAIN = timedelta(days=1)


class Watched(State):
    """What was told of a service last."""

    drift: tuple[Prose, ...] = ()
    drift_of: str = ""
    """The snapshot with which the service was compared."""
    drift_published_at: datetime | None = None

    def is_stale(self, now: datetime) -> bool:
        """Return whether a drift was told too long ago."""
        return bool(self.drift) and (self.drift_published_at is None or now - self.drift_published_at >= PUBLISH_AGAIN)


def watched_key(target: Target) -> str:
    return f"watched:{target}"


def note_drift(target: Target, drift: Drift, cause: str, now: datetime) -> Transition:
    """Publish how the service differs from its last good snapshot, where that has changed.

    What could not be judged changes nothing. A drift that stays is told again every day, since a reader may have lost
    it. ``cause``: the id of the look.
    """

    def decide(state: bytes | None) -> Decision:
        before = Watched.from_bytes(state)
        known = before.drift == tuple(map(prose, drift.differences)) and not before.is_stale(now)
        if drift.state is DriftState.NOT_JUDGED or known:
            return Decision()
        event = DriftObserved(
            target=target, snapshot_id=drift.snapshot_id, differences=drift.differences, observed_at=now
        )
        after = before.replace(drift=event.differences, drift_of=drift.snapshot_id, drift_published_at=now)
        return Decision(after.to_bytes(), emit=(Emit(event, caused_id(cause, f"drift:{target}")),))

    return Transition(watched_key(target), decide)
