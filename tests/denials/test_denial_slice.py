"""A slice of the denial matrix, played: each cell ends as is right, or stands among those that are known to be wrong.

``slice.txt`` has a cell on each line; behind ``|`` stands what it is known to be instead of right. Who mends one
removes what stands there: a cell that is right and is called wrong fails, too.
"""

from itertools import product
from pathlib import Path

import pytest

from benchmarks.denials.cells import CLOCK, HARMS, IMAGE_NAMES, Cell, matrix, with_name
from benchmarks.denials.operations import OPERATIONS, When
from benchmarks.denials.play import played
from benchmarks.denials.rule import ACCEPTED, Worth, worth

LINES = [line.split(" | ") for line in Path(__file__).with_name("slice.txt").read_text().splitlines()]
CELLS = {name: Worth(known[0]) if known else None for name, *known in LINES}


def refusal(harm: str) -> str:
    """Return how a caller meets a harm: refused for good, without an answer for now, or answered in part."""
    return harm if harm in {"deny", "omit"} else "temporary"


def pairs(cells: list[Cell]) -> set[tuple[str, ...]]:
    """Return what these cells have together.

    Each operation with each way of refusal, with each part of a deployment in which it is called and with a good and a
    bad version; and each harm, part and image with each other.
    """
    return {
        pair
        for cell in cells
        if cell.operation != CLOCK
        for pair in (
            (cell.operation, refusal(cell.harm)),
            (cell.operation, "good" if cell.healthy else "bad"),
            *(((cell.operation, cell.when),) if cell.when is not When.ALWAYS else ()),
            (cell.harm, cell.when),
            (cell.harm, cell.image),
            (cell.when, cell.image),
        )
    }


def test_the_slice_is_pairwise() -> None:
    cells = [with_name(name) for name in CELLS]
    assert len(cells) == len(LINES)
    assert pairs(cells) == pairs(matrix())
    assert {(operation, "deny") for operation in OPERATIONS} <= pairs(cells)
    assert set(product(HARMS, IMAGE_NAMES)) <= pairs(cells)
    assert (When.ROLLBACK, "healthy") not in pairs(cells)
    assert not set(CELLS.values()) & set(ACCEPTED)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", CELLS)
def test_a_cell_is_right_or_known_to_be_wrong(name: str) -> None:
    cell = with_name(name)
    ended = played(cell)
    found = worth(cell, ended)
    if CELLS[name] is None:
        assert found in ACCEPTED, f"{found}: {ended.outcome}: {ended.reason}"
    else:
        assert found not in ACCEPTED, f"it is right now: remove '| {CELLS[name]}' from slice.txt"
