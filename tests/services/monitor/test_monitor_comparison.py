"""Is the new version worse than the one before it? The arithmetic of the comparison, without a service."""

from itertools import combinations, pairwise
from math import comb
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.comparison import ANY_RISE, Surroundings, bound, false_alarms, rises
from contracts.policy import Worsening
from services.monitor.domain.comparison.compare import compare, of_counts, of_values
from services.monitor.domain.comparison.ranks import chance_of_rise, least_chance, persistence, remainders
from services.monitor.domain.comparison.shares import burstiness, chance_of_more
from services.monitor.domain.comparison.spending import looks_at
from services.monitor.domain.history import MOST_STARTS

ALPHA = Worsening().alpha


def exactly(earlier: list[float], later: list[float]) -> float:
    """Return the share of all ways to choose the later values that give at least as high a sum of ranks."""
    values = sorted((*earlier, *later))
    rank = {value: values.index(value) + (values.count(value) + 1) / 2 for value in values}
    seen = sum(rank[value] for value in later)
    ways = [sum(rank[value] for value in chosen) for chosen in combinations((*earlier, *later), len(later))]
    return sum(way >= seen for way in ways) / len(ways)


@pytest.mark.parametrize("values", [range(14), [1, 1, 2, 2, 2, 3, 4, 4, 5, 5, 6, 7, 7, 7]])
def test_ranks_give_the_chance_that_all_ways_to_choose_give(values: list[float]) -> None:
    rng = Random(1)
    for _ in range(20):
        mixed = [float(value) for value in values]
        rng.shuffle(mixed)
        later, earlier = mixed[:5], mixed[5:]
        assert chance_of_rise(earlier, later) == pytest.approx(exactly(earlier, later), abs=0.03)


def test_a_few_values_without_ties_are_counted_exactly() -> None:
    rng = Random(2)
    for few, many in ((2, 2), (3, 9), (6, 6)):
        values = rng.sample(range(1000), few + many)
        earlier, later = [*map(float, values[few:])], [*map(float, values[:few])]
        assert chance_of_rise(earlier, later) == pytest.approx(exactly(earlier, later))
    assert least_chance(6, 6) == pytest.approx(1 / comb(12, 6))
    assert least_chance(0, 6) == least_chance(6, 0) == 1.0
    assert least_chance(60, 6) == chance_of_rise(range(60), range(60, 66))


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20), st.integers(1, 20))
def test_values_that_are_all_equal_or_missing_prove_nothing(earlier: list[float], count: int) -> None:
    assert chance_of_rise(earlier, []) == chance_of_rise([], earlier) == 1.0
    assert chance_of_rise([earlier[0]] * count, [earlier[0]] * count) == 1.0


def test_what_a_minute_keeps_of_the_last_one_is_estimated_and_taken_off() -> None:
    rng, value, series = Random(1), 0.0, {}
    for minute in range(3000):
        value = 0.7 * value + rng.gauss(0, 1)
        series[minute] = value
    assert persistence(series) == pytest.approx(0.7, abs=0.04)
    assert persistence(dict(enumerate(remainders(series, 0.7).values()))) < 0.05
    assert persistence(dict.fromkeys(range(60), 40.0)) == 0.0


def test_errors_are_counted_exactly() -> None:
    before, after = {-1: (1.0, 300.0)}, {0: (4.0, 100.0)}
    by_hand = sum(comb(5, hits) * 0.25**hits * 0.75 ** (5 - hits) for hits in (4, 5))
    assert chance_of_more(before, after, 1.0) == pytest.approx(by_hand)
    assert chance_of_more({-1: (0.0, 300.0)}, {0: (1.0, 100.0)}, 1.0) == pytest.approx(0.25)
    assert chance_of_more(before, {}, 1.0) == chance_of_more(before, {0: (0.0, 100.0)}, 1.0) == 1.0
    assert chance_of_more({-1: (1e5, 1e7)}, {0: (1e6, 1e7)}, 1.0) < 1e-300, "great counts take no time"


def test_a_burst_of_errors_is_one_event() -> None:
    even = dict.fromkeys(range(-60, 0), (2.0, 100.0))
    bursts = {minute: (20.0 if minute % 10 == 0 else 0.0, 100.0) for minute in range(-60, 0)}
    assert burstiness(even) == 1.0
    assert burstiness(bursts) > 15
    after = {0: (20.0, 100.0), 1: (0.0, 100.0), 2: (0.0, 100.0)}
    assert chance_of_more(even, after, burstiness(even)) < 1e-4
    assert chance_of_more(bursts, after, burstiness(bursts)) > 0.05


@given(st.integers(1, 60), st.lists(st.integers(0, 90), max_size=30))
def test_all_looks_together_spend_no_more_than_alpha(planned: int, known: list[int]) -> None:
    """However the minutes come: one by one, several at once, more than were planned."""
    seen = sorted({*known})
    spent = {look.minutes: look.alpha for minutes in seen for look in looks_at(minutes, planned, ALPHA, last=False)}
    last = looks_at(seen[-1], planned, ALPHA, last=True) if seen else ()
    spent |= {look.minutes: look.alpha for look in last}
    assert sum(spent.values()) <= ALPHA * (1 + 1e-9)
    assert all(alpha >= 0 for alpha in spent.values())


def test_the_last_look_spends_all_that_is_left_and_early_ones_have_little() -> None:
    found = {look.minutes: look for minutes in range(1, 20) for look in looks_at(minutes, 20, ALPHA, last=False)}
    assert list(found) == [1, 2, 3, 4, 5, 10, 15]
    regular = list(found.values())
    assert all(earlier.alpha < later.alpha for earlier, later in pairwise(regular))
    (last,) = looks_at(20, 20, ALPHA, last=True)
    assert sum(look.alpha for look in regular) + last.alpha == pytest.approx(ALPHA)
    assert looks_at(0, 15, ALPHA, last=False) == looks_at(0, 15, ALPHA, last=True) == ()
    (only,) = looks_at(1, 15, ALPHA, last=True)
    assert only.alpha == pytest.approx(ALPHA), "an answer that is given early spends everything"


def test_a_decline_that_begins_late_is_found_in_the_newest_minutes() -> None:
    rng = Random(1)
    before = {minute: rng.gauss(0.2, 0.01) for minute in range(-60, 0)}
    after = {minute: rng.gauss(0.2 if minute < 9 else 0.6, 0.01) for minute in range(15)}
    found = compare(of_values(before, after), lambda level, _: level > 0.3, 15, ALPHA, last=True)
    assert found.proven
    assert found.minutes == 6


def test_what_is_proven_and_does_not_matter_is_not_told_as_a_reason() -> None:
    before = dict.fromkeys(range(-60, 0), (1.0, 1000.0))
    after = dict.fromkeys(range(15), (3.0, 1000.0))
    found = compare(of_counts(before, after), lambda level, _: level > 1.0, 15, ALPHA, last=True)
    assert found.proven
    assert found.level == pytest.approx(0.3)


@pytest.mark.parametrize("series", [60, pytest.param(1000, marks=pytest.mark.slow)])
def test_healthy_services_fail_no_more_often_than_alpha_says(series: int) -> None:
    """Autocorrelated: whatever is proven, on a level load; and by the default policy, as load follows the day."""
    found = false_alarms(series, 1, Surroundings(ANY_RISE))
    assert max(found.gates.values(), default=0) <= bound(series, ALPHA), found
    found = false_alarms(series, 2, Surroundings(daily=0.5))
    assert max(found.gates.values(), default=0) <= bound(series, ALPHA), found


@pytest.mark.parametrize("series", [30, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("starts", "policy"), [(1, ANY_RISE), (3, Worsening())])
def test_services_that_warm_up_fail_no_more_often_where_earlier_starts_are_known(
    starts: int, policy: Worsening, series: int
) -> None:
    found = false_alarms(series, 3, Surroundings(policy, warms_up=True, starts=starts))
    assert max(found.gates.values(), default=0) <= bound(series, ALPHA), found


def test_without_an_earlier_start_what_warms_up_looks_worse() -> None:
    """The test above would show nothing if it did not."""
    assert false_alarms(20, 3, Surroundings(warms_up=True)).runs > 10


@pytest.mark.parametrize("series", [30, pytest.param(300, marks=pytest.mark.slow)])
def test_where_several_good_starts_are_known_errors_that_double_are_found_as_well(series: int) -> None:
    assert rises(series, 1, wanders=0.0, starts=MOST_STARTS).gates["error_rate_compared"] >= 0.8 * series


@pytest.mark.parametrize("series", [60, pytest.param(300, marks=pytest.mark.slow)])
def test_errors_that_double_from_two_per_cent_are_found_within_a_quarter_of_an_hour(series: int) -> None:
    """As errors of independent requests, and as such that wander by a fifth from minute to minute."""
    assert rises(series, 1, wanders=0.0).gates["error_rate_compared"] >= 0.8 * series
    if series >= 300:
        assert rises(series, 1, wanders=0.2).gates["error_rate_compared"] >= 0.8 * series
