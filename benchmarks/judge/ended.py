"""How a deployment ended, and what that is worth by the rule. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from benchmarks.judge.rule import Answer, End, Right


class Worth(StrEnum):
    """What an end is worth. All but the first two are wrong."""

    RIGHT = "right"
    OPEN = "no verdict demanded"
    MISSED = "missed"
    """Bad, and called a success."""
    FALSE_ROLLBACK = "false rollback"
    BLOCKED = "blocked without need"
    """Refused, though nothing that could be known before the change speaks against it."""
    UNDECIDED = "undecided"
    ROLLBACK_FAILED = "rollback failed"
    """The way back was begun and is called a failure, where AWS can go back."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How one side ended one deployment."""

    outcome: str
    """In the words of the side: Surefoot's outcome, or the status of ECS's service deployment."""
    end: End | None
    """None where it came to no decision."""
    failed_back: bool = False
    reason: str = ""
    seconds: float = 0.0
    """Product seconds, from the request to the end."""
    restored: float | None = None
    """Seconds from the change until the version before served alone again."""
    desired: int = 0
    """How many tasks are wanted in the end."""


def worth(right: Right, ended: Ended) -> Worth:
    if ended.failed_back:
        return Worth.ROLLBACK_FAILED
    if right.answer is Answer.NONE:
        return Worth.OPEN
    if ended.end is None:
        return Worth.UNDECIDED
    if ended.end in right.ends:
        return Worth.RIGHT
    return _WRONG[ended.end]


_WRONG = {End.LIVE: Worth.MISSED, End.BACK: Worth.FALSE_ROLLBACK, End.REFUSED: Worth.BLOCKED}
