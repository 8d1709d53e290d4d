"""Rows in which each pair of values of two axes stands at least once, by a greedy search with a seed."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from random import Random

Row = dict[str, str]
"""Axis → value; a partial row lacks axes."""
Impossible = Callable[[Row], str]
"""Why a row, or a partial one, cannot be; empty where it can."""
Pair = frozenset[tuple[str, str]]


def pairs_of(row: Row) -> set[Pair]:
    return {frozenset(pair) for pair in combinations(row.items(), 2)}


USUALLY = 0.8
"""How often a value that is filled in by chance is the usual one, where its axis has one."""


def rows(
    axes: Mapping[str, Sequence[str]], impossible: Impossible, seed: int, least: int, usual: Row | None = None
) -> list[Row]:
    """Return distinct rows that cover each possible pair, filled up by chance to ``least`` where there are as many.

    ``usual``: values that are preferred where a row may have any.
    """
    preferred = usual or {}
    random = Random(seed)  # noqa: S311  a matrix wants to be repeatable
    wanted, found = _possible(axes, impossible), list[Row]()
    missing = sorted(map(sorted, wanted))
    random.shuffle(missing)
    left = set(wanted)
    for pair in missing:
        if frozenset(pair) in left:
            row = _completed(dict(pair), axes, impossible, left, random, preferred)
            assert row is not None  # noqa: S101  only pairs that can be completed are wanted
            found.append(row)
            left -= pairs_of(row)
    known = {tuple(sorted(row.items())) for row in found}
    for _ in range(100 * least):
        if len(found) >= least:
            break
        row = {axis: random.choice(values) for axis, values in axes.items()}
        row |= {axis: value for axis, value in preferred.items() if random.random() < USUALLY}
        if not impossible(row) and (key := tuple(sorted(row.items()))) not in known:
            known.add(key)
            found.append(row)
    return [{axis: row[axis] for axis in axes} for row in found]


def impossible_pairs(axes: Mapping[str, Sequence[str]], impossible: Impossible) -> dict[Pair, str]:
    """Return each pair that no row can have, and why."""
    return {
        pair: impossible(dict(pair)) or "no row has both"
        for pair in _pairs(axes)
        if _completed(dict(pair), axes, impossible, set(), Random(0), {}) is None  # noqa: S311  any will do
    }


def _possible(axes: Mapping[str, Sequence[str]], impossible: Impossible) -> set[Pair]:
    return set(_pairs(axes)) - set(impossible_pairs(axes, impossible))


def _pairs(axes: Mapping[str, Sequence[str]]) -> list[Pair]:
    return [
        frozenset({(one_axis, one_value), (other_axis, other_value)})
        for one_axis, other_axis in combinations(axes, 2)
        for one_value in axes[one_axis]
        for other_value in axes[other_axis]
    ]


def _completed(
    row: Row,
    axes: Mapping[str, Sequence[str]],
    impossible: Impossible,
    left: set[Pair],
    random: Random,
    preferred: Row,
) -> Row | None:
    """Return the row with all axes, each value the one that covers most of what is left; None where there is none."""
    if impossible(row):
        return None
    axis = next((axis for axis in axes if axis not in row), None)
    if axis is None:
        return row
    values = list(axes[axis])
    random.shuffle(values)

    def gain(value: str) -> tuple[int, bool]:
        covers = sum(frozenset({(axis, value), other}) in left for other in row.items())
        return covers, preferred.get(axis) == value

    for value in sorted(values, key=gain, reverse=True):
        if (found := _completed({**row, axis: value}, axes, impossible, left, random, preferred)) is not None:
            return found
    return None
