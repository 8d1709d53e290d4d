"""The chance that something shows: in minutes with so many requests, in a comparison, in a handful of tests. Pure."""

from collections.abc import Iterator
from math import ceil, comb, exp, floor, lgamma, log, sqrt
from statistics import NormalDist

MANY = 60.0
"""From this mean on a count is taken for normal: the error is below one per cent there."""
NORMAL = NormalDist()


def exceeds(requests: float, share: float, limit: float) -> float:
    """Return the chance that more than ``limit`` of ``requests`` independent requests are hit, each by ``share``."""
    count = round(requests)
    if count <= 0:
        return 0.0
    least = floor(limit * count + 1e-9) + 1
    if least > count:
        return 0.0
    if count * share * (1 - share) >= MANY:
        return 1 - NormalDist(count * share, sqrt(count * share * (1 - share))).cdf(least - 0.5)
    return sum(comb(count, hits) * share**hits * (1 - share) ** (count - hits) for hits in range(least, count + 1))


def in_a_row(chance: float, length: int, minutes: int) -> float:
    """Return the chance of ``length`` hits on end within ``minutes``, each minute hit by ``chance``."""
    # state → probability; the state is the number of hits on end so far
    states = [1.0, *([0.0] * (length - 1))]
    reached = 0.0
    for _ in range(minutes):
        reached += states[-1] * chance
        states = [(1 - chance) * sum(states), *(before * chance for before in states[:-1])]
    return reached


def proves(before: float, after: float, share_before: float, share_after: float, alpha: float) -> float:
    """Return the power of a one-sided comparison of two shares: that the later one is higher.

    ``before`` and ``after`` are counts of requests. The test is exact and conditional on the sum of the hits, which
    under the hypothesis fall on each side by its share of the requests (Przyborowski and Wilenski 1940); from ``MANY``
    hits on it is its normal approximation.
    """
    if before <= 0 or after <= 0 or share_after <= share_before:
        return 0.0
    expected = before * share_before, after * share_after
    if min(expected) >= MANY or expected[1] >= 10 * MANY:
        return _proves_normally(before, after, share_before, share_after, alpha)
    part = after / (before + after)
    return sum(chance * _at_least(_needed(hits, part, alpha), expected[1]) for hits, chance in _poisson(expected[0]))


def _proves_normally(before: float, after: float, low: float, high: float, alpha: float) -> float:
    pooled = (before * low + after * high) / (before + after)
    null = sqrt(pooled * (1 - pooled) * (1 / before + 1 / after))
    spread = sqrt(low * (1 - low) / before + high * (1 - high) / after)
    if spread == 0:
        return 1.0
    return 1 - NORMAL.cdf((NORMAL.inv_cdf(1 - alpha) * null - (high - low)) / spread)


def _needed(hits: int, part: float, alpha: float) -> int:
    """Return the fewest hits on the later side that prove a rise, where ``hits`` fell on the earlier side."""
    later = 0
    while _tail(hits + later, later, part) > alpha:
        later += 1
    return later


def _tail(count: int, least: int, part: float) -> float:
    """Return the chance of at least ``least`` of ``count`` hits, each by ``part``."""
    return sum(
        exp(
            lgamma(count + 1)
            - lgamma(hits + 1)
            - lgamma(count - hits + 1)
            + hits * log(part)
            + (count - hits) * log(1 - part)
        )
        for hits in range(least, count + 1)
    )


def _poisson(mean: float) -> Iterator[tuple[int, float]]:
    """Yield each count that is not improbable, with its probability."""
    most = ceil(mean + 8 * sqrt(mean) + 8)
    for count in range(most + 1):
        chance = exp(count * log(mean) - mean - lgamma(count + 1)) if mean > 0 else float(count == 0)
        if chance > 1e-9:
            yield count, chance


def _at_least(least: int, mean: float) -> float:
    """Return the chance that a Poisson count of this mean is at least ``least``."""
    return max(0.0, 1 - sum(chance for count, chance in _poisson(mean) if count < least))
