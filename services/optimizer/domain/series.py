"""What a series of measurements shows: its percentiles, how complete it is, and whether it grows."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import floor
from statistics import median

Series = Mapping[float, float]
"""The begin of a period (epoch seconds) → utilisation in per cent."""

HOUR = 3600.0
DAY = 24 * HOUR
PARTS = 48
"""A series is cut into so many parts to see whether it grows: comparing every pair of minutes would take too long."""


def percentile(values: Sequence[float], per_cent: float) -> float:
    """Return the percentile of at least one value, interpolated (Hyndman and Fan's type 7)."""
    ordered = sorted(values)
    position = (len(ordered) - 1) * per_cent / 100
    low = floor(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


def busiest_hour(series: Series) -> float:
    """Return the highest hourly p99, so that a peak of one hour a day is not lost among the other hours."""
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

    The slope is Theil and Sen's: the median of the slopes between all pairs of points. The points are the medians of
    ``PARTS`` parts, so that spikes and restarts do not move it. The series grows steadily if it rises between at least
    four of five pairs (Kendall's tau 0.6), and by at least five per cent points over the whole span.
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
