"""What differs between two snapshots, or between a snapshot and the live service, in sentences without secrets."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from services.recovery.domain.snapshots.comparable import (
    COMPARED_AROUND,
    Fact,
    Facts,
    Side,
    around_facts,
    count_facts,
    definition_facts,
    revision_facts,
    scaling_facts,
    service_facts,
)

_BOTH: tuple[Callable[[Side], Facts], ...] = (definition_facts, service_facts)
_SCALED: tuple[Callable[[Side], Facts], ...] = (count_facts, scaling_facts, revision_facts)
_ONLY_NAMED = frozenset({"the task's family"})
"""The name of a version; its content is compared."""


class Comparison(NamedTuple):
    differences: tuple[str, ...]
    """A sentence for each setting that differs."""
    not_compared: tuple[str, ...]
    """A sentence for each part that could not be read on one of the sides: it counts as equal."""


def compare_snapshots(before: Side, after: Side) -> Comparison:
    """Return everything that differs from one snapshot to another, the scaling as well."""
    return _compared(before, after, (*_BOTH, *_SCALED), "")


def drift_of(good: Side, live: Side) -> Comparison:
    """Return how the live service differs from its last good snapshot.

    How many tasks run, and what scales them, is left to whoever scales. What runs by another name (a copy with each
    image by its digest, another revision of the same content) is no drift.
    """
    return _compared(good, live, _BOTH, " in the snapshot")


def _compared(before: Side, after: Side, parts: tuple[Callable[[Side], Facts], ...], where: str) -> Comparison:
    if not (before.definition and after.definition):
        parts = tuple(part for part in parts if part is not definition_facts)
    found = [sentence for facts in parts for sentence in _sentences(facts(before), facts(after), where)]
    unread = list(dict.fromkeys((*before.unread, *after.unread)))
    for part in COMPARED_AROUND:
        if part in before.around and part in after.around:
            found += _sentences(around_facts(before, part), around_facts(after, part), where)
    return Comparison(tuple(found), tuple(f"{why.rstrip('.')}: not compared" for why in unread))


def _sentences(before: Facts, after: Facts, where: str) -> Iterator[str]:
    for what in dict.fromkeys((*before, *after)):
        was, now = before.get(what), after.get(what)
        if what in _ONLY_NAMED or (was and now and was.same_as(now)):
            continue
        yield _sentence(what, was, now, where)


def _sentence(what: str, was: Fact | None, now: Fact | None, where: str) -> str:
    """Return a sentence that shows what may be shown; of a secret only that it has changed."""
    name = f"{what[:1].upper()}{what[1:]}" if what.startswith("the ") else what
    if was is None:
        return f"{name} is {now.shown}, and was not set{where}." if now and now.shown else f"{name} was added."
    if now is None:
        return f"{name} is not set any more; it was {was.shown}{where}." if was.shown else f"{name} is gone."
    if was.shown is None or now.shown is None or was.shown == now.shown:
        return f"{name} has changed."
    return f"{name} was {was.shown}{where}, and is {now.shown}."
