"""Are later values of a minute-by-minute series higher than earlier ones? By ranks, whatever their distribution.

The minutes of a real service resemble their neighbours, so that fifteen of them say less than fifteen independent
values. Each minute is therefore reduced by what its predecessor foretells, and the remainders are compared
("prewhitening", as for the test of Mann and Kendall: Yue and Wang 2002, Water Resources Research 38(6)).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import accumulate
from math import comb, erfc, sqrt

Series = Mapping[int, float]
"""Number of a minute → its value; a minute may be missing."""

FEW = 20
"""Up to so many values on each side chances are exact."""
HIGHEST_PERSISTENCE = 0.95
"""A series that keeps more of its last value is no longer told from one that wanders about."""


def persistence(series: Series) -> float:
    """Return how much of a minute's deviation the next one keeps: the autocorrelation at lag 1, between 0 and 0.95.

    Its estimate from few minutes is too low by about ``(1 + 3 * value) / minutes`` (Marriott and Pope 1954, Biometrika
    41:390), which is added. So is half a standard error, since too high a value is wrong on the safe side.
    """
    if len(series) < 4:
        return 0.0
    mean = sum(series.values()) / len(series)
    deviations = {minute: value - mean for minute, value in series.items()}
    pairs = [(deviations[minute - 1], deviations[minute]) for minute in series if minute - 1 in series]
    spread = sum(value * value for value in deviations.values()) / len(series)
    if not pairs or spread <= 1e-12 * max(1.0, mean * mean):
        return 0.0
    raw = sum(earlier * later for earlier, later in pairs) / len(pairs) / spread
    unbiased = min(max(raw + (1 + 3 * max(raw, 0.0)) / len(pairs), 0.0), 1.0)
    return min(unbiased + sqrt(1 - unbiased**2) / sqrt(len(pairs)) / 2 if unbiased else 0.0, HIGHEST_PERSISTENCE)


def remainders(series: Series, kept: float) -> dict[int, float]:
    """Return each minute without what its predecessor foretells; a minute without a predecessor is left out.

    Where nothing is foretold (``kept`` is 0), all minutes are returned as they are.
    """
    if kept == 0.0:
        return dict(series)
    return {minute: value - kept * series[minute - 1] for minute, value in series.items() if minute - 1 in series}


def chance_of_rise(earlier: Sequence[float], later: Sequence[float]) -> float:
    """Return the chance that ``later`` ranks so high among both if nothing has changed: Mann and Whitney's test.

    One-sided and exact where there are few values and no ties; else by the normal approximation with corrections for
    ties and continuity (Mann and Whitney 1947, Annals of Mathematical Statistics 18:50; Hollander and Wolfe,
    Nonparametric Statistical Methods, 4.1), which is on the safe side where ``later`` has few values. 1 where either is
    empty or all values are equal.
    """
    few, many = len(later), len(earlier)
    count = few + many
    if not few or not many:
        return 1.0
    repeated = Counter((*earlier, *later))
    ranks = _middle_ranks(repeated)
    above = sum(ranks[value] for value in later) - few * (few + 1) / 2
    if len(repeated) == count and max(few, many) <= FEW:
        return sum(_ways(few, many)[round(above) :]) / comb(count, few)
    ties = sum(times**3 - times for times in repeated.values())
    variance = few * many / 12 * (count + 1 - ties / (count * (count - 1)))
    if variance <= 0:
        return 1.0
    return _above_normal((above - few * many / 2 - 0.5) / sqrt(variance))


def least_chance(earlier: int, later: int) -> float:
    """Return the smallest chance that so many values can give: that of later ones which are all above the others."""
    return chance_of_rise(range(earlier), range(earlier, earlier + later))


@lru_cache(maxsize=FEW * FEW)
def _ways(few: int, many: int) -> tuple[int, ...]:
    """Return in how many ways ``few`` values can be above 0, 1, 2, … of all pairs with ``many`` others.

    These are the coefficients of Gauss's binomial (Mann and Whitney 1947, section 3).
    """
    ways = [1] + [0] * (few * many)
    for step in range(1, few + 1):
        for above in range(few * many, many + step - 1, -1):
            ways[above] -= ways[above - many - step]
        for above in range(step, few * many + 1):
            ways[above] += ways[above - step]
    return tuple(ways)


def _above_normal(value: float) -> float:
    """Return the chance that a standard normal variable is above ``value``."""
    return erfc(value / sqrt(2)) / 2


def _middle_ranks(repeated: Mapping[float, int]) -> dict[float, float]:
    """Return the rank of each value, from 1; equal values have the mean of theirs."""
    values = sorted(repeated)
    ends = accumulate(repeated[value] for value in values)
    return {value: end - (repeated[value] - 1) / 2 for value, end in zip(values, ends, strict=True)}
