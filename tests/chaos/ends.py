"""How often each thing that has begun was told to have ended: once, where all is well. Pure."""

from collections import Counter
from collections.abc import Collection
from typing import Any

from contracts.base import Event
from tests.chaos.observer import Seen


def ends_of(seen: Seen, kind: type[Event], name: str, begun: Collection[str]) -> Counter[str]:
    """Return id → how often it was told to have ended; two results under one event's id count twice.

    ``kind``: of the event that tells its end, and ``name``: of the field in it that has the id.
    """
    ends: list[Any] = [event for event in seen.of(kind) if getattr(event, name) in begun]
    count = Counter(str(getattr(event, name)) for event in ends)
    pairs: list[tuple[Any, Any]] = [(first.event, second.event) for first, second in seen.contradictions]
    count.update(
        str(getattr(second, name))
        for first, second in pairs
        if {type(first), type(second)} == {kind} and first.result != second.result
    )
    return count
