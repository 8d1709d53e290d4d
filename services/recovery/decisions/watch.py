"""What a look at the ways back of a service changes: the same is told once."""

from datetime import datetime, timedelta

from contracts.base import Contract, Target, caused_id
from contracts.prose import Plain, Prose, prose
from contracts.recovery import DriftObserved, ReadinessChanged
from contracts.state import State
from services._chassis.transition import Decision, Emit, Transition
from services.recovery.domain.readiness import Readiness
from services.recovery.domain.recreation.elsewhere import Elsewhere
from services.recovery.domain.snapshots.drift import Drift, DriftState

WATCH = "watch-ways-back"
"""The kind of its job."""


PUBLISH_AGAIN = timedelta(days=1)
LOOK_ELSEWHERE = timedelta(hours=6)
"""How often the other place is looked at, which is some fifty reads; in each round while it could not be made there."""
_ROUNDS_APART = timedelta(minutes=5)
"""One round may come earlier after the last one by so much."""


class SeenElsewhere(Contract):
    """What a look at the other place has shown."""

    place: Plain
    """Where, and what stands for what, as the policy had it: another place is looked at at once."""
    can: bool | None
    sentence: Prose
    because: tuple[Prose, ...] = ()
    beware: tuple[Prose, ...] = ()
    at: datetime


class Watched(State):
    """What was told of a service last."""

    drift: tuple[Prose, ...] = ()
    drift_of: str = ""
    """The snapshot with which the service was compared."""
    drift_published_at: datetime | None = None
    lost: tuple[Prose, ...] = ()
    """A sentence for each good snapshot to which one cannot go back."""
    lost_published_at: datetime | None = None
    soon: tuple[Prose, ...] = ()
    """A sentence for each reason for which a good snapshot is lost before long."""
    elsewhere: tuple[Prose, ...] = ()
    """A sentence for each reason why it could not be made in the other place."""
    elsewhere_published_at: datetime | None = None
    elsewhere_seen: SeenElsewhere | None = None
    """The last look at the other place; None where the policy names none."""

    def knows_drift(self, differences: tuple[str, ...], now: datetime) -> bool:
        """Return whether these differences were told, and not too long ago."""
        return self.drift == _clean(differences) and not (self.drift and _is_old(self.drift_published_at, now))

    def knows_lost(self, lost: tuple[str, ...], now: datetime) -> bool:
        return self.lost == _clean(lost) and not (self.lost and _is_old(self.lost_published_at, now))


def _clean(sentences: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(prose, sentences))


def _is_old(published_at: datetime | None, now: datetime) -> bool:
    return published_at is None or now - published_at >= PUBLISH_AGAIN


def watched_key(target: Target) -> str:
    return f"watched:{target}"


def note_drift(target: Target, drift: Drift, cause: str, now: datetime) -> Transition:
    """Publish how the service differs from its last good snapshot, where that has changed.

    What could not be judged changes nothing. A drift that stays is told again every day, since a reader may have lost
    it. ``cause``: the id of the look.
    """

    def decide(state: bytes | None) -> Decision:
        before = Watched.from_bytes(state)
        if drift.state is DriftState.NOT_JUDGED or before.knows_drift(drift.differences, now):
            return Decision()
        event = DriftObserved(
            target=target, snapshot_id=drift.snapshot_id, differences=drift.differences, observed_at=now
        )
        after = before.replace(drift=event.differences, drift_of=drift.snapshot_id, drift_published_at=now)
        return Decision(after.to_bytes(), emit=(Emit(event, caused_id(cause, f"drift:{target}")),))

    return Transition(watched_key(target), decide)


def note_readiness(target: Target, found: Readiness, cause: str, now: datetime) -> Transition:
    """Publish that a way back is lost, is lost soon, or is there again, where that has changed; once a day while it is
    lost.

    What is not known is neither: then only what is lost besides is told.
    """

    def decide(state: bytes | None) -> Decision:
        before = Watched.from_bytes(state)
        lost = found.lost
        nothing_new = found.unknown and set(_clean(lost)) <= set(before.lost)
        known = before.knows_lost(lost, now) and before.soon == _clean(found.soon)
        if nothing_new or known or (found.ready is None and not lost):
            return Decision()
        event = ReadinessChanged(
            target=target, ready=not lost, lost=lost, soon=found.soon, elsewhere=before.elsewhere, checked_at=now
        )
        after = before.replace(lost=event.lost, lost_published_at=now, soon=event.soon)
        return Decision(after.to_bytes(), emit=(Emit(event, caused_id(cause, f"readiness:{target}")),))

    return Transition(watched_key(target), decide)


def is_due(seen: SeenElsewhere | None, place: str, now: datetime) -> bool:
    """Return whether the other place is to be looked at now. ``place``: as the policy has it."""
    if seen is None or seen.place != place or seen.can is False:
        return True
    return now - seen.at >= LOOK_ELSEWHERE - _ROUNDS_APART


def note_elsewhere(target: Target, place: str, found: Elsewhere | None, cause: str, now: datetime) -> Transition:
    """Keep whether the service could be made in the other place, and publish where that has changed; once a day while
    it could not. What is not known is neither.

    ``found``: None where the policy names no other place.
    """

    def decide(state: bytes | None) -> Decision:
        before = Watched.from_bytes(state)
        seen = None if found is None else _seen(place, found, now)
        lost = () if found is None else _clean(found.lost)
        after = before.replace(elsewhere_seen=seen)
        known = lost == before.elsewhere and not (lost and _is_old(before.elsewhere_published_at, now))
        moved = before.elsewhere_seen is not None and before.elsewhere_seen.place != place
        not_known = found is not None and found.can is None and not moved
        if known or not_known:
            return Decision(after.to_bytes()) if after != before else Decision()
        event = ReadinessChanged(
            target=target, ready=not before.lost, lost=before.lost, soon=before.soon, elsewhere=lost, checked_at=now
        )
        published = after.replace(elsewhere=lost, elsewhere_published_at=now)
        return Decision(published.to_bytes(), emit=(Emit(event, caused_id(cause, f"elsewhere:{target}")),))

    return Transition(watched_key(target), decide)


def _seen(place: str, found: Elsewhere, now: datetime) -> SeenElsewhere:
    return SeenElsewhere(
        place=place,
        can=found.can,
        sentence=found.sentence,
        because=_clean(found.because),
        beware=_clean(found.beware),
        at=now,
    )
