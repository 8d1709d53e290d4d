"""What ends are worth by the rule, and the figures that follow."""

from dataclasses import replace

import orjson
import pytest

from benchmarks.judge.ended import Ended, Worth, worth
from benchmarks.judge.matrix import with_name
from benchmarks.judge.report import Result, as_json, figures, result_of
from benchmarks.judge.rule import Answer, End, Right
from benchmarks.judge.table import kinds, listed, table

KEEP = Right(Answer.KEEP, frozenset({End.LIVE}), "healthy")
STOP = Right(Answer.STOP, frozenset({End.BACK}), "bad")
NONE = Right(Answer.NONE, frozenset(End), "nobody sees it")
LIVE, BACK = Ended("succeeded", End.LIVE), Ended("rolled_back", End.BACK, restored=90.0)
REFUSED, UNDECIDED = Ended("blocked", End.REFUSED, reason="the score is 35"), Ended("failed", None)
BROKEN = Ended("rollback_failed", None, failed_back=True)


@pytest.mark.parametrize(
    ("right", "ended", "expected"),
    [
        (KEEP, LIVE, Worth.RIGHT),
        (KEEP, BACK, Worth.FALSE_ROLLBACK),
        (KEEP, REFUSED, Worth.BLOCKED),
        (KEEP, UNDECIDED, Worth.UNDECIDED),
        (KEEP, BROKEN, Worth.ROLLBACK_FAILED),
        (STOP, LIVE, Worth.MISSED),
        (STOP, BACK, Worth.RIGHT),
        (STOP, REFUSED, Worth.BLOCKED),
        (STOP, UNDECIDED, Worth.UNDECIDED),
        (NONE, LIVE, Worth.OPEN),
        (NONE, UNDECIDED, Worth.OPEN),
        (NONE, BROKEN, Worth.ROLLBACK_FAILED),
    ],
)
def test_what_an_end_is_worth(right: Right, ended: Ended, expected: Worth) -> None:
    assert worth(right, ended) is expected


HEALTHY = with_name("guide healthy high healthy usual quiet still")
BAD = with_name("guide errors-50 high healthy usual quiet acts")
RESULTS = [
    Result(HEALTHY, REFUSED, LIVE),
    Result(BAD, replace(BACK, desired=5), replace(LIVE, desired=5)),
    Result(BAD, replace(BACK, restored=30.0, desired=3), replace(BACK, restored=300.0, desired=5)),
    Result(with_name("worker errors-50 none healthy usual quiet still"), LIVE, LIVE),
]


def test_the_figures_of_both_sides() -> None:
    ours, theirs = figures(RESULTS, "surefoot"), figures(RESULTS, "ecs")
    assert (ours.cells, ours.demanding, ours.bad, ours.caught, ours.missed) == (4, 3, 2, 2, 0)
    assert (ours.blocked_without_need, ours.undid_scaling, ours.restored_p50, ours.restored_p95) == (1, 1, 30, 90)
    assert (theirs.caught, theirs.missed, theirs.undid_scaling, theirs.restored_p50) == (1, 1, 0, 300)


def test_what_is_kept_is_read_again() -> None:
    assert [result_of(orjson.loads(orjson.dumps(result.as_json()))) for result in RESULTS] == RESULTS


def test_each_wrong_cell_is_listed_with_its_reason() -> None:
    (line,) = listed(RESULTS)
    assert line.startswith(
        "- blocked without need: *guide healthy high healthy usual quiet still*: blocked; right is live"
    )
    assert line.endswith("the score is 35")
    (wrong,) = as_json(1, RESULTS)["wrong"]
    assert (wrong["cell"], wrong["is"]["surefoot"], wrong["right"]) == (HEALTHY.name, "blocked without need", ["live"])


def test_the_tables() -> None:
    assert "| caught | 2 | 1 |" in table(RESULTS)
    assert "4 deployments; 3 demand a verdict, 25% of all do not" in table(RESULTS)
    assert "| healthy | 0 | 0 | 0 | 0 | 1 | 0 | 0 |" in kinds(RESULTS, "image")
    assert "—" in table(RESULTS[:1])
