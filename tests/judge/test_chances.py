"""The chances of the judge, against what can be counted by hand, and against trials."""

from random import Random

import pytest

from benchmarks.judge.chances import exceeds, in_a_row, proves


def test_more_than_a_share_of_few_requests() -> None:
    assert exceeds(2, 0.5, 0.5) == pytest.approx(0.25)
    assert exceeds(10, 0.1, 0.1) == pytest.approx(0.2639, abs=1e-4)
    assert exceeds(0, 0.5, 0.1) == 0
    assert exceeds(10, 1.0, 1.0) == 0


def test_many_requests_are_normal() -> None:
    assert exceeds(1000, 0.12, 0.1) == pytest.approx(0.973, abs=0.01)
    assert exceeds(600, 0.1, 0.1) == pytest.approx(0.47, abs=0.02)


def test_hits_in_a_row() -> None:
    assert in_a_row(0.5, 2, 2) == pytest.approx(0.25)
    assert in_a_row(0.5, 2, 3) == pytest.approx(3 / 8)
    assert in_a_row(1.0, 2, 1) == 0
    assert in_a_row(1.0, 2, 2) == 1
    assert in_a_row(0.3, 1, 0) == 0


@pytest.mark.parametrize(
    ("before", "after", "low", "high"),
    [(180, 42, 0.001, 0.12), (1500, 1500, 0.02, 0.04), (600, 140, 0.02, 0.04), (60, 14, 0.001, 0.12)],
)
def test_the_power_is_what_trials_have(before: int, after: int, low: float, high: float) -> None:
    """The same comparison, played: as often as it proves a rise, within what chance gives to 2,000 trials."""
    random = Random(7)

    def hits(requests: int, share: float) -> int:
        return sum(random.random() < share for _ in range(requests))

    trials = 2000
    proven = sum(_proven(hits(before, low), hits(after, high), after / (before + after)) for _ in range(trials))
    assert proven / trials == pytest.approx(proves(before, after, low, high, 0.01), abs=0.05)


def _proven(earlier: int, later: int, part: float) -> bool:
    count = earlier + later
    weights = [1.0]
    for hit in range(count):
        weights.append(weights[-1] * (count - hit) / (hit + 1) * part / (1 - part))
    return count > 0 and sum(weights[later:]) / sum(weights) <= 0.01


def test_nothing_is_proven_of_nothing() -> None:
    assert proves(0, 100, 0.1, 0.5, 0.01) == 0
    assert proves(100, 0, 0.1, 0.5, 0.01) == 0
    assert proves(100, 100, 0.5, 0.5, 0.01) == 0


def test_a_false_alarm_is_as_rare_as_alpha_says() -> None:
    assert proves(1500, 1500, 0.02, 0.0200001, 0.01) <= 0.0101
