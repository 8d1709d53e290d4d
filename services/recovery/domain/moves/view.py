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


def view(target: str, found: Traced, now: datetime) -> dict[str, Any]:
    """Return what the API shows. Times are product times."""
    return {
        "target": target,
        "checked_at": now,
        "since": datetime.fromtimestamp(found.since, UTC),
        "sentences": [_last(what, found.moves) for what in NAMES] + ([found.stack] if found.stack else []),
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


STACK_MOVES = frozenset({"UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS", "ROLLBACK_IN_PROGRESS"})
"""States of a stack in which CloudFormation may change the service (API reference, Stack, StackStatus)."""
STACK_TAG = "aws:cloudformation:stack-name"


def of_stack(name: str, status: str) -> str:
    """Return what a stack means for its service; ``status``: empty where it is not there any more."""
    if not status:
        return f"Its tags name the stack {name} of CloudFormation, which is not there any more."
    if status.endswith("_FAILED"):
        return f"It is in the stack {name} of CloudFormation, which is stuck in {status}."
    moving = status in STACK_MOVES or status.endswith("_CLEANUP_IN_PROGRESS")
    if "ROLLBACK_IN_PROGRESS" in status:
        return f"CloudFormation takes the stack {name} back ({status}): it may bring another version and count back."
    now = "and is changing it now" if moving else "which may set version and count with its next update"
    return f"It is in the stack {name} of CloudFormation ({status}), {now}."
