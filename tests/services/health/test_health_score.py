"""Checks → score."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.health.domain.checks import Check, Finding
from services.health.domain.score import WEIGHTS, score

CHECKS = st.builds(
    Check,
    name=st.text(max_size=5),
    level=st.sampled_from(list(WEIGHTS)),
    finding=st.sampled_from(Finding),
    detail=st.just(""),
    weight=st.floats(0.5, 5),
    critical=st.booleans(),
)
BETTER = {Finding.BAD: Finding.UNKNOWN, Finding.UNKNOWN: Finding.GOOD, Finding.GOOD: Finding.GOOD}


def check(level: str, finding: Finding, *, weight: float = 1, critical: bool = False) -> Check:
    return Check("a check", level, finding, "", weight, critical)  # type: ignore[arg-type]  # one of three words


@given(st.lists(CHECKS, max_size=12))
def test_a_score_is_an_interval_within_its_bounds(checks: list[Check]) -> None:
    total = score(checks)
    assert 0 <= total.low <= total.high <= 100
    if not any(check.finding is Finding.UNKNOWN for check in checks) and checks:
        assert total.low == total.high
        assert total.rating != "unknown"


@given(st.lists(CHECKS, min_size=1, max_size=8), st.data())
def test_a_better_finding_never_lowers_the_score(checks: list[Check], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(checks) - 1))
    old = checks[index]
    better = Check(old.name, old.level, BETTER[old.finding], "", old.weight, old.critical)
    before, after = score(checks), score([*checks[:index], better, *checks[index + 1 :]])
    assert after.low >= before.low
    assert after.high >= before.high


def test_the_required_weights() -> None:
    good, bad = Finding.GOOD, Finding.BAD
    total = score([check("basic", good), check("performance", bad), check("business", good)])
    assert (total.low, total.high, total.rating) == (65, 65, "poor")
    assert [(level.level, level.weight) for level in total.levels] == [
        ("basic", 0.4),
        ("performance", 0.35),
        ("business", 0.25),
    ]


def test_a_level_without_checks_gives_its_weight_to_the_others() -> None:
    total = score([check("basic", Finding.GOOD), check("performance", Finding.BAD)])
    assert total.low == pytest.approx(100 * 0.40 / 0.75, abs=0.05)


@pytest.mark.parametrize(
    ("points", "rating"),
    [
        *[(100, "excellent"), (90, "excellent"), (89, "good"), (80, "good"), (79, "fair"), (70, "fair")],
        *[(69, "poor"), (60, "poor"), (59, "critical"), (0, "critical")],
    ],
)
def test_the_required_ranges(points: int, rating: str) -> None:
    checks = [check("basic", Finding.GOOD, weight=points)] if points else []
    checks += [check("basic", Finding.BAD, weight=100 - points)] if points < 100 else []
    assert score(checks).rating == rating


def test_there_is_a_rating_only_where_both_ends_agree() -> None:
    checks = [check("basic", Finding.GOOD, weight=85), check("basic", Finding.UNKNOWN, weight=15)]
    assert (score(checks).low, score(checks).high, score(checks).rating) == (85, 100, "unknown")
    assert score([check("basic", Finding.GOOD, weight=95), check("basic", Finding.UNKNOWN, weight=5)]).rating == (
        "excellent"
    )


def test_a_bad_critical_check_takes_its_level() -> None:
    total = score(
        [
            check("basic", Finding.GOOD, weight=9),
            check("basic", Finding.BAD, critical=True),
            check("performance", Finding.GOOD),
            check("business", Finding.GOOD),
        ]
    )
    assert (total.low, total.high) == (60, 60)


def test_nothing_is_known_of_nothing() -> None:
    total = score([])
    assert (total.low, total.high, total.rating) == (0, 100, "unknown")
