"""What the API shows of a service's moves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from contracts.prose import prose
from services.recovery.domain.moves.facts import What
from services.recovery.domain.moves.move import NAMES, Move

READ = "read"


@dataclass(frozen=True, slots=True)
class Traced:
    """What was found of a service."""

    moves: tuple[Move, ...]
    """The newest first."""
    since: float
    sources: Mapping[str, str] = field(default_factory=dict)
    """Each source → ``read``, or why it could not be read."""
    stack: str = ""
    """A sentence about the stack of CloudFormation that the service belongs to; empty where there is none."""
    named: str = ""
    """A sentence about the tool that still names what was taken back; empty where none is known."""


def view(target: str, found: Traced, now: datetime) -> dict[str, Any]:
    """Return what the API shows. Times are product times."""
    return {
        "target": target,
        "checked_at": now,
        "since": datetime.fromtimestamp(found.since, UTC),
        "sentences": [*(_last(what, found.moves) for what in NAMES), *filter(None, (found.stack, found.named))],
        "moves": [shown(move) for move in found.moves],
        "sources": {name: prose(why) for name, why in found.sources.items()},
    }


def shown(move: Move) -> dict[str, Any]:
    return {
        "move_id": move.id,
        "what": move.what,
        "at": datetime.fromtimestamp(move.at, UTC),
        "before": prose(move.before) or None,
        "after": prose(move.after),
        "by": move.mover.by,
        "who": prose(move.mover.who),
        "sure": move.mover.sure,
        "sentence": prose(move.sentence),
        "evidence": [prose(clause) for clause in move.evidence],
    }


def _last(what: What, moves: Sequence[Move]) -> str:
    """Return who moved it last."""
    last = next((move for move in moves if move.what == what), None)
    if last is None:
        name = NAMES[what]
        return f"Nobody is known to have changed {name} in this time."
    return prose(f"{datetime.fromtimestamp(last.at, UTC):%Y-%m-%d %H:%M} UTC: {last.sentence}")
