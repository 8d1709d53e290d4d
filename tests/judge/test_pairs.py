"""Rows that have each pair: all that can be, none that cannot, the same for the same seed."""

from itertools import combinations

from benchmarks.judge.pairs import Row, impossible_pairs, pairs_of, rows

AXES = {"size": ("small", "large", "huge"), "colour": ("red", "green"), "shape": ("round", "flat", "long")}


def forbidden(row: Row) -> str:
    return "nothing huge is round" if row.get("size") == "huge" and row.get("shape") == "round" else ""


def test_each_possible_pair_stands_in_some_row_and_no_other() -> None:
    found = rows(AXES, forbidden, seed=1, least=0)
    covered = set().union(*map(pairs_of, found))
    everything = {
        frozenset({(first, value), (second, other)})
        for first, second in combinations(AXES, 2)
        for value in AXES[first]
        for other in AXES[second]
    }
    cannot = frozenset({("size", "huge"), ("shape", "round")})
    assert covered == everything - {cannot}
    assert impossible_pairs(AXES, forbidden) == {cannot: "nothing huge is round"}
    assert len(found) < 18, "fewer rows than all of them"


def test_rows_are_filled_up_and_stay_distinct() -> None:
    found = rows(AXES, forbidden, seed=1, least=15)
    assert len(found) == 15
    assert len({tuple(row.items()) for row in found}) == 15
    assert not any(map(forbidden, found))
    assert len(rows(AXES, forbidden, seed=1, least=100)) == 16, "there are no more"


def test_the_usual_value_stands_where_any_may() -> None:
    found = rows(AXES, forbidden, 1, 16, {"colour": "red"})
    reds = sum(row["colour"] == "red" for row in rows(AXES, forbidden, 1, 0, {"colour": "red"}))
    greens = sum(row["colour"] == "green" for row in rows(AXES, forbidden, 1, 0, {"colour": "green"}))
    assert len(found) == 16, "preferred, and the others are there as well"
    assert reds >= 4
    assert greens >= 4


def test_a_seed_gives_the_same_rows_again_and_another_gives_others() -> None:
    assert rows(AXES, forbidden, 5, 12) == rows(AXES, forbidden, 5, 12)
    assert rows(AXES, forbidden, 5, 12) != rows(AXES, forbidden, 6, 12)
