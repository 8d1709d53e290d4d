"""Forty cells of the matrix, played by Surefoot: each is right, or stands among those that are known to be wrong.

``slice.txt`` has a cell on each line; behind ``|`` stands what it is known to be instead of right. Who mends one
removes what stands there: a cell that is right and is called wrong fails, too.
"""

from pathlib import Path

import pytest

from benchmarks.judge.ended import Worth, worth
from benchmarks.judge.images import IMAGES
from benchmarks.judge.kinds import KINDS
from benchmarks.judge.matrix import impossible, with_name
from benchmarks.judge.play import by_surefoot
from benchmarks.judge.report import WRONG

SEED = 1
LINES = [line.split(" | ") for line in Path(__file__).with_name("slice.txt").read_text().splitlines()]
CELLS = {name: Worth(known[0]) if known else None for name, *known in LINES}


def test_the_slice_has_forty_cells_with_each_kind_and_each_image() -> None:
    cells = [with_name(name) for name in CELLS]
    assert len(cells) == len(LINES) == 40
    assert not [impossible(cell.row) for cell in cells if impossible(cell.row)]
    assert {cell.row["kind"] for cell in cells} == set(KINDS)
    assert {cell.row["image"] for cell in cells} == set(IMAGES)
    assert set(CELLS.values()) <= {None, *WRONG}


@pytest.mark.judge
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", CELLS)
def test_a_cell_is_right_or_known_to_be_wrong(name: str) -> None:
    cell = with_name(name)
    ended = by_surefoot(cell, SEED)
    found = worth(cell.right, ended)
    if CELLS[name] is None:
        assert found not in WRONG, f"{found}, right is {sorted(cell.right.ends)}: {ended.outcome}: {ended.reason}"
    else:
        assert found in WRONG, f"it is right now: remove '| {CELLS[name]}' from slice.txt"
