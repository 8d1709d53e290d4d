"""Finds out what would bring in again what a rollback has taken back, by what is known: nothing is waited for."""

from dataclasses import replace

from contracts.base import Target
from contracts.state import NewerState
from services._chassis.policies import Policies
from services._chassis.store import Store
from services.recovery.domain.moves.remembered import Moves, moves_key
from services.recovery.domain.moves.still_named import by_stacks, sentence_of, short, still_naming, tool_of
from services.recovery.domain.protection import Armed
from services.recovery.domain.rollback.roll_back import Done, Ended
from services.recovery.domain.snapshots.known_version import Versions
from services.recovery.domain.work import RollbackProgress


async def with_tools(
    ended: Ended, versions: Versions, stack: str, progress: RollbackProgress, target: Target, store: Store
) -> Ended:
    """Return the end of a rollback with what is to be said of the stack, and of a tool that names what was taken back.

    ``stack``: the one that the service's tags name. What CloudTrail tells later is an issue (``decisions/moved.py``).
    """
    named = await _named(versions, stack, progress, target, store) if isinstance(ended, Done) else ""
    more = [sentence for sentence in (progress.of_stack, named) if sentence]
    return replace(ended, detail=" ".join([ended.detail, *more])) if more else ended


async def _named(versions: Versions, stack: str, progress: RollbackProgress, target: Target, store: Store) -> str:
    """Return a sentence about the tool that names what was taken back; empty where none is known.

    A stack that CloudFormation has taken back names what was there before.
    """
    taken, back = versions.taken_back, versions.brought_back
    if taken is None or back is None:
        return ""
    try:
        known = await store.read(moves_key(target), Moves)
    except NewerState:
        known = Moves()
    live, moves = short(back.task_definition), [change.move for change in known.changes]
    named = still_naming(moves, {short(taken.task_definition)}, live)
    if named is not None and not (progress.watched_from and tool_of(named.mover).startswith("CloudFormation")):
        return sentence_of(named, live)
    return "" if progress.watched_from else by_stacks(stack, versions)


def watches_stacks(policies: Policies, target: Target, held: Armed | None) -> bool:
    """Return whether CloudFormation is watched where it takes the service's stack back: the run's policy says it first.

    A service that was taken from the policy has the default.
    """
    if held is not None and held.policy is not None:
        return held.policy.recovery.stack_in_progress == "watch"
    try:
        return policies.of(target).recovery.stack_in_progress == "watch"
    except LookupError:
        return True
