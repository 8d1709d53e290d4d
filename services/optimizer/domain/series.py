"""What a series of measurements says: its percentiles, how complete it is, and whether it grows."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import floor
from statistics import median

Series = Mapping[float, float]
"""When a period begins (epoch seconds) → per cent."""

HOUR = 3600.0
DAY = 24 * HOUR
PARTS = 48
"""Into which a series is cut to see whether it grows: minutes are too many to compare all with all."""


def percentile(values: Sequence[float], per_cent: float) -> float:
    """Return the percentile of at least one value, interpolated (Hyndman and Fan's type 7)."""
    ordered = sorted(values)
    position = (len(ordered) - 1) * per_cent / 100
    low = floor(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


def busiest_hour(series: Series) -> float:
    """Return the highest p99 of any hour: a peak of an hour a day is not lost among the others."""
    hours: dict[int, list[float]] = {}
    for at, value in series.items():
        hours.setdefault(int(at // HOUR), []).append(value)
    return max(percentile(values, 99) for values in hours.values())


def span(series: Series, period: float) -> float:
    """Return the seconds from the first point's begin to the last one's end."""
    return max(series) - min(series) + period if series else 0.0


def coverage(series: Series, period: float) -> float:
    """Return the share of periods in the span that have a point, 0 to 1."""
    return min(1.0, len(series) * period / span(series, period)) if series else 0.0


def growth_a_day(series: Series) -> float | None:
    """Return how many per cent points the series grows a day, None unless it grows steadily.

    Theil and Sen's slope, the median of all pairs' slopes, over the medians of ``PARTS`` parts: spikes and restarts
    do not move it. Steady is what grows between at least four of five pairs (Kendall's tau 0.6), and by at
    least five points over what was seen.
    """
    points = _parts(series)
    if len(points) < 6:
        return None
    slopes = [(late - early) / (after - before) for (before, early), (after, late) in combinations(points, 2)]
    slope = median(slopes)
    rising = sum(slope > 0 for slope in slopes) / len(slopes)
    seen = points[-1][0] - points[0][0]
    return slope * DAY if rising >= 0.8 and slope * seen >= 5 else None


def _parts(series: Series) -> list[tuple[float, float]]:
    ordered = sorted(series.items())
    size = max(1, -(-len(ordered) // PARTS))
    cut = [ordered[start : start + size] for start in range(0, len(ordered), size)]
    return [(median(at for at, _ in part), median(value for _, value in part)) for part in cut]
