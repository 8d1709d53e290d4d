"""Has the share of requests that fail risen? From counts, whose noise is larger than that of independent requests.

Errors come in bursts: a burst of five is one event rather than five. How much more the errors of the minutes before
differ from each other than chance explains is measured, and all counts are divided by it.
"""

from collections.abc import Iterator, Mapping
from math import exp, floor, lgamma, log

Counts = Mapping[int, tuple[float, float]]
"""Number of a minute → (requests that failed, requests)."""

BLOCKS = 12
"""Errors are also added up over so many blocks of minutes: a slow change of their rate shows in long blocks alone."""
NEGLIGIBLE = 1e-16


def total(counts: Counts) -> tuple[float, float]:
    """Return (requests that failed, requests) of all minutes."""
    return sum(failed for failed, _ in counts.values()), sum(asked for _, asked in counts.values())


def share(counts: Counts) -> float:
    """Return the share of requests that failed; 0 without requests."""
    failed, asked = total(counts)
    return failed / asked if asked else 0.0


def burstiness(counts: Counts) -> float:
    """Return how many times the variance of independent errors that of the errors is, at least 1.

    That is Pearson's statistic by its degrees of freedom (McCullagh and Nelder, Generalized Linear Models, 4.5): the
    higher of those over minutes and over blocks of them, since errors of one minute resemble those of the next.
    """
    usual = share(counts)
    if not 0 < usual < 1:
        return 1.0
    return max(1.0, *(_dispersion(counts, usual, length) for length in (1, len(counts) // BLOCKS)))


def _dispersion(counts: Counts, usual: float, length: int) -> float:
    """Return the statistic over blocks of ``length`` minutes; 0 where there are none."""
    if length < 1:
        return 0.0
    blocks: dict[int, list[tuple[float, float]]] = {}
    for minute, pair in counts.items():
        blocks.setdefault(minute // length, []).append(pair)
    sums = [(sum(failed for failed, _ in pairs), sum(asked for _, asked in pairs)) for pairs in blocks.values()]
    squares = sum((failed - asked * usual) ** 2 / (asked * usual * (1 - usual)) for failed, asked in sums if asked)
    return squares / max(len(sums) - 1, 1)


def chance_of_more(earlier: Counts, later: Counts, bursts: float) -> float:
    """Return the chance of so many errors ``later``, if errors are as frequent as ``earlier``.

    The test is exact and conditional on the sum of the errors, which then fall on each side by its share of the
    requests (Przyborowski and Wilenski 1940, Biometrika 31:313). ``bursts`` is what the counts are divided by.
    """
    (failed_before, asked_before), (failed, asked) = total(earlier), total(later)
    if not asked or not asked_before:
        return 1.0
    hits = floor(failed / bursts)
    events = hits + floor(failed_before / bursts + 0.5)
    return _at_least(hits, events, asked / (asked + asked_before))


def _at_least(hits: int, events: int, part: float) -> float:
    """Return the chance of at least ``hits`` of ``events``, each by ``part``; 1 where they are no more than usual."""
    if hits <= events * part:
        return 1.0
    reached = 0.0
    for chance in _binomial(hits, events, part):
        reached += chance
        if chance <= NEGLIGIBLE * reached:  # beyond the mean they fall ever faster
            break
    return min(reached, 1.0)


def _binomial(least: int, events: int, part: float) -> Iterator[float]:
    for hits in range(least, events + 1):
        ways = lgamma(events + 1) - lgamma(hits + 1) - lgamma(events - hits + 1)
        yield exp(ways + hits * log(part) + (events - hits) * log(1 - part))
