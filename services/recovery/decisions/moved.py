"""What a look at a service's version, count and limits changes: each change is told with its mover, once for each."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from contracts.base import Target, caused_id
from contracts.moves import ServiceMoved
from contracts.prose import prose
from contracts.recovery import KnownVersion
from services._chassis.transition import Decision, Emit, Transition
from services.recovery.domain.moves.move import Move
from services.recovery.domain.moves.mover import By
from services.recovery.domain.moves.remembered import Change, Moves, Seen, StillNamed, moves_key
from services.recovery.domain.moves.still_named import sentence_of, still_naming

LOOK_MOVES = "look-moves"
"""The kind of its job."""
STANDS = timedelta(days=1)
"""How long a fall of the desired count is told as standing."""
NAMES_FOR = timedelta(days=7)
"""How long a tool is told to name what was taken back: whoever has changed its code by then may not have run it yet."""
_QUIET = frozenset({By.OURS, By.ECS, By.AUTOSCALER})
"""Movers of which only versions are told: their other changes are many, and on record elsewhere."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a look has found out about the changes."""

    moves: tuple[Move, ...] = ()
    scaling_id: str = ""
    """The emergency scaling that stands."""
    version: KnownVersion | None = None
    """What is live, by its images; None where it was not read."""
    taken_back: Mapping[str, str] = field(default_factory=dict)
    """What rollbacks have taken back → what they have brought back, each as ``family:revision``."""
    may_be_scaled: bool = False
    """Whether an autoscaler may have done what nothing tells: its activities could not be read."""


def note_moves(target: Target, look: Seen, found: Found, now: datetime) -> Transition:
    """Remember what was seen, and publish each change that is new or of which more is known."""

    def decide(state: bytes | None) -> Decision:
        before = Moves.from_bytes(state)
        seen = before.after(look)
        after = seen.explained_by(found.moves, now).with_those_between(found.moves, before.seen)
        known = {change.noticed: change for change in before.changes}
        new = [change for change in after.changes if _is_news(change, known.get(change.noticed))]
        lowered, over = _standing(after, new, found, now)
        events = [_moved(target, change, found, lowered=change.noticed == _noticed(lowered)) for change in new]
        if over is not None:
            events.append(_moved(target, over, found, lowered=True, over=True))
        named = _named(after, found, now)
        if named != before.named:
            events += _naming(target, before.named, named)
        kept = after.replace(lowered=lowered, named=named)
        if kept == before:
            return Decision()
        return Decision(kept.to_bytes(), emit=tuple(_emits(events)), expires=True)

    return Transition(moves_key(target), decide)


def _is_news(change: Change, before: Change | None) -> bool:
    if before is not None and (before.by, before.who, before.sure) == (change.by, change.who, change.sure):
        return False
    return change.what == "version" or change.by not in _QUIET or (before is not None and before.by not in _QUIET)


def _standing(after: Moves, new: list[Change], found: Found, now: datetime) -> tuple[Change | None, Change | None]:
    """Return the fall of the desired count that stands now, and one that is over."""
    falls = [change for change in new if change.move.lowers and change.by not in _QUIET and not found.may_be_scaled]
    known = after.lowered
    if falls:
        return falls[-1].model_copy(update={"stood": known.stood if known else falls[-1].before}), None
    if known is None:
        return None, None
    latest = next((change for change in after.changes if change.noticed == known.noticed), known)
    wanted = after.seen.desired if after.seen is not None else None
    back = wanted is not None and wanted >= int(known.stood)
    over = back or now - known.at >= STANDS or latest.by in _QUIET
    current = latest.model_copy(update={"stood": known.stood})
    return (None, current) if over else (current, None)


def _named(after: Moves, found: Found, now: datetime) -> StillNamed | None:
    """Return the tool that names by now what was taken back; None where none is known, or its change is long ago."""
    known = after.named
    changes = [*after.changes, *(Change.found(move, now) for move in found.moves)]
    recent = {
        change.move.id: change
        for change in (*((known.change,) if known else ()), *changes)
        if now - change.at < NAMES_FOR
    }
    live = after.seen.version if after.seen is not None else ""
    move = still_naming([change.move for change in recent.values()], found.taken_back, live)
    if move is None:
        return None
    if known is not None and (known.change.after, known.change.who) == (move.after, move.mover.who):
        return known
    return StillNamed(change=recent[move.id], sentence=sentence_of(move, found.taken_back[move.after]))


def _naming(target: Target, before: StillNamed | None, now: StillNamed | None) -> Iterator[ServiceMoved]:
    """Yield what is told of a tool that names what was taken back, or does so no more."""
    named = now or before
    if named is not None:
        event = _moved(target, named.change, Found(), lowered=False, over=now is None)
        yield event.model_copy(update={"still_named": named.sentence})


def _noticed(change: Change | None) -> object:
    return change.noticed if change is not None else None


def _moved(target: Target, change: Change, found: Found, *, lowered: bool, over: bool = False) -> ServiceMoved:
    move = change.move
    return ServiceMoved(
        target=target,
        move_id=move.id,
        what=change.what,
        before=change.before,
        after=change.after,
        by=change.by,
        who=change.who,
        sure=change.sure,
        sentence=prose(move.sentence),
        evidence=change.evidence,
        moved_at=change.at,
        lowered=lowered,
        over=over,
        scaling_id=found.scaling_id,
        version=found.version if change.what == "version" else None,
    )


def _emits(events: list[ServiceMoved]) -> Iterator[Emit]:
    for event in events:
        end = f"{':named' if event.still_named else ''}{':over' if event.over else ''}"
        yield Emit(event, caused_id(f"{event.target}:{event.move_id}", f"{event.by}:{event.who}:{event.sure}{end}"))
