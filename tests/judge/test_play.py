"""Cells that are played: both sides meet the same world, and what AWS shows is what is counted."""

import pytest

from benchmarks.judge.ended import Worth, worth
from benchmarks.judge.matrix import with_name
from benchmarks.judge.play import by_ecs, by_surefoot
from benchmarks.judge.rule import End

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_a_healthy_version_goes_live_by_both() -> None:
    cell = with_name("guide healthy high healthy usual quiet acts")
    ours, theirs = by_surefoot(cell, 1), by_ecs(cell, 1)
    assert (ours.end, ours.restored, ours.desired) == (End.LIVE, None, 5), ours.reason
    assert (theirs.end, theirs.restored, theirs.desired) == (End.LIVE, None, 5), theirs.reason
    assert ours.seconds > 15 * 60, "the run watches as long as the policy says"


def test_the_alarms_of_ecs_alone_catch_errors_and_its_breaker_what_does_not_start() -> None:
    errors = by_ecs(with_name("guide errors-50 high healthy usual quiet still"), 1)
    assert (errors.outcome, errors.end) == ("ROLLBACK_SUCCESSFUL", End.BACK)
    assert errors.restored is not None
    assert 60 < errors.restored < 900
    crashing = by_ecs(with_name("worker crash-at-start none healthy usual quiet still"), 1)
    assert (crashing.outcome, crashing.end) == ("ROLLBACK_SUCCESSFUL", End.BACK)


def test_the_version_before_is_the_one_that_the_cell_names() -> None:
    cell = with_name("guide errors-50 high ill usual quiet still")
    ended = by_ecs(cell, 1)
    assert ended.outcome == "SUCCESSFUL", "an alarm that fires at the start makes ECS watch none"
    assert worth(cell.right, ended) is Worth.MISSED


@pytest.mark.parametrize("image", ["wrong-architecture", "errors-50"])
def test_what_surefoot_refuses_or_takes_back_is_seen_at_aws(image: str) -> None:
    ended = by_surefoot(with_name(f"guide {image} high healthy usual quiet still"), 1)
    assert (ended.end, ended.restored is None) == (
        (End.REFUSED, True) if image == "wrong-architecture" else (End.BACK, False)
    )
