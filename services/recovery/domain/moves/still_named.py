"""Which infrastructure tool still names what a rollback has taken back, so that its next run would bring it in again.

It shows by who has brought the version in, or by the stack of CloudFormation that has made its task definition. Where
neither is known, nothing is said.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from contracts.prose import prose
from services.recovery.domain.moves.move import Move
from services.recovery.domain.moves.mover import By, Mover, Sure
from services.recovery.domain.protection import PastRollback
from services.recovery.domain.snapshots.known_version import Versions

_RUNS: Mapping[str, str] = {
    "Terraform": "apply",
    "OpenTofu": "apply",
    "Pulumi": "up",
    "the AWS CDK": "deploy",
    "Copilot": "deploy",
    "CloudFormation": "update",
}
"""Infrastructure tools, as movers are named (``mover.py``) → what brings in what their code names."""


def tool_of(mover: Mover) -> str:
    """Return the infrastructure tool that has made a move; empty where none has."""
    name = mover.who.partition(" as ")[0]
    return name if mover.by is By.TOOL and name.startswith(tuple(_RUNS)) else ""


def taken_back_by(past: Sequence[PastRollback]) -> dict[str, str]:
    """Return what rollbacks have taken back → what they have brought back, each as ``family:revision``."""
    return {
        short(each.taken_back): short(each.brought_back)
        for each in past
        if each.result == "restored" and each.taken_back and each.brought_back
    }


def rolled_back_since(past: Sequence[PastRollback], ended_after: datetime) -> datetime | None:
    """Return when the first of those rollbacks began that ended later than this and have taken something back."""
    begun = (
        each.ended_at - timedelta(seconds=each.rollback.seconds)
        for each in past
        if each.taken_back and each.ended_at is not None and each.ended_at > ended_after
    )
    return min(begun, default=None)


def still_naming(moves: Sequence[Move], taken_back: Collection[str], live: str) -> Move | None:
    """Return the move by which a tool has brought in last what was taken back since; None where no tool names that.

    ``taken_back``, ``live``: as ``family:revision``. What is live again names nothing else than what runs.
    """
    last: dict[str, Move] = {}
    for move in sorted(moves, key=lambda move: move.at):
        if move.what == "version" and (tool := tool_of(move.mover)):
            last[tool] = move
    named = [move for move in last.values() if move.after in taken_back and move.after != live]
    return max(named, key=lambda move: move.at, default=None)


def sentence_of(move: Move, brought_back: str) -> str:
    """Return what the tool that has made this move would do, and what is to be done before."""
    tool = tool_of(move.mover)
    seems = ", as it seems" if move.mover.sure is Sure.LIKELY else ""
    run = next(run for name, run in _RUNS.items() if tool.startswith(name))
    return prose(
        f"{tool[:1].upper()}{tool[1:]} has deployed {move.after}{seems}, which was taken back, and still names it as "
        f"far as is known: its next {run} brings it in again. "
        f"Put the image of {brought_back} into its code before that."
    )


def by_stacks(stack: str, versions: Versions) -> str:
    """Return the same sentence by the tags of the service (``stack``) and of what a rollback has exchanged.

    Empty where no stack is known, or the stack has made what was brought back.
    """
    taken, back = versions.taken_back, versions.brought_back
    if taken is None or back is None or not taken.task_definition:
        return ""
    if taken.stack:
        return prose(
            f"The stack {taken.stack} of CloudFormation has made {short(taken.task_definition)} and still names it, "
            f"unless it goes back as well: its next update brings it in again. Put the image of "
            f"{short(back.task_definition)} into its template (CDK, Copilot: into the code) before that."
        )
    if not stack or back.stack:
        return ""
    return prose(
        f"The service belongs to the stack {stack} of CloudFormation, whose template has made neither version: which "
        f"one it names is not known here, and its next update may bring that in. Put the image of "
        f"{short(back.task_definition)} into it (CDK, Copilot: into the code) before that."
    )


def short(task_definition: str) -> str:
    """Return ``family:revision`` of an ARN."""
    return task_definition.rpartition("/")[2]
