"""Finds out what would bring in again what a rollback has taken back, by what is known: nothing is waited for."""

from dataclasses import replace

from contracts.base import Target
from contracts.state import NewerState
from services._chassis.store import Store
from services.recovery.domain.moves.remembered import Moves, moves_key
from services.recovery.domain.moves.still_named import by_stacks, sentence_of, short, still_naming
from services.recovery.domain.rollback.roll_back import Done, Ended
from services.recovery.domain.snapshots.known_version import Versions


async def with_tools(ended: Ended, versions: Versions, stack: str, target: Target, store: Store) -> Ended:
    """Return the end of a rollback with a sentence about the tool that names what was taken back; as it is without one.

    ``stack``: the one that the service's tags name. What CloudTrail tells later is an issue (``decisions/moved.py``).
    """
    taken, back = versions.taken_back, versions.brought_back
    if not isinstance(ended, Done) or taken is None or back is None:
        return ended
    try:
        known = await store.read(moves_key(target), Moves)
    except NewerState:
        known = Moves()
    live = short(back.task_definition)
    named = still_naming([change.move for change in known.changes], {short(taken.task_definition)}, live)
    sentence = by_stacks(stack, versions) if named is None else sentence_of(named, live)
    return replace(ended, detail=f"{ended.detail} {sentence}") if sentence else ended
