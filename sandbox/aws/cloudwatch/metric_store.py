"""Data points of the simulated CloudWatch, and the statistics that it makes of them.

moto keeps every value as an object of its own and scans all of them for each period; this store keeps one
series for each metric, in time order, each datum folded into values and how often each occurred.
"""

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from operator import mul
from threading import Lock
from typing import NamedTuple

RETENTION = 15 * 86_400.0
"""Seconds for which CloudWatch keeps one-minute points; the coarser ones, kept longer, are not kept here."""
SERIES_LIMIT = 20_000
DATA_LIMIT = 100_000
"""Data of one series; the oldest go first."""
RESOLUTION = 60
"""Seconds. Standard metrics are kept by whole minutes, whatever second a datum was sent for."""

_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d{1,10})?|100)")


class MetricKey(NamedTuple):
    """The identity of a series. Dimensions match as a whole set: CloudWatch does not aggregate across them."""

    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]]


def metric_key(namespace: str, name: str, dimensions: Mapping[str, str] | None = None) -> MetricKey:
    """Return the key of ``namespace``/``name`` with ``dimensions`` as ``{name: value}``, in any order."""
    return MetricKey(namespace, name, frozenset((dimensions or {}).items()))


class Datum(NamedTuple):
    """The data of one moment. Sums are kept beside the samples, so that most statistics need not read these."""

    values: tuple[float, ...]
    """Distinct samples; empty for a statistic set, whose samples are unknown."""
    counts: tuple[float, ...]
    """How often each of ``values`` occurred."""
    size: float
    """How many samples."""
    total: float
    low: float
    high: float
    unit: str | None = None


def samples(values: Sequence[float], counts: Sequence[float] | None = None, unit: str | None = None) -> Datum:
    """A datum of ``values``, at least one, each occurring ``counts`` times (once by default)."""
    times = tuple(counts) if counts is not None else (1.0,) * len(values)
    total = sum(map(mul, values, times))
    return Datum(tuple(values), times, sum(times), total, min(values), max(values), unit)


def statistic_set(size: float, total: float, low: float, high: float, unit: str | None = None) -> Datum:
    """A datum that was added up before it was sent. It has percentiles only if all samples are equal."""
    known = low == high
    return Datum((low,) if known else (), (size,) if known else (), size, total, low, high, unit)


def percentile(weighted: Iterable[tuple[float, float]], per_cent: float) -> float:
    """The percentile of (value, count) pairs: linear interpolation between the closest ranks.

    Hyndman and Fan's type 7, each value standing ``count`` times. CloudWatch documents no formula and
    works on a sketch; on many samples the difference is below what either promises.
    """
    ordered = sorted(weighted)
    ranks = list(accumulate(count for _, count in ordered))
    position = max(ranks[-1] - 1, 0.0) * per_cent / 100
    rank = math.floor(position)
    below, above = (ordered[min(bisect_right(ranks, at), len(ordered) - 1)][0] for at in (rank, rank + 1))
    return below + (above - below) * (position - rank)


def _total(data: Sequence[Datum]) -> float:
    return math.fsum(datum.total for datum in data)


def _size(data: Sequence[Datum]) -> float:
    return math.fsum(datum.size for datum in data)


_PLAIN: Mapping[str, Callable[[Sequence[Datum]], float | None]] = {
    "Sum": _total,
    "SampleCount": _size,
    "Minimum": lambda data: min(datum.low for datum in data),
    "Maximum": lambda data: max(datum.high for datum in data),
    "Average": lambda data: _total(data) / size if (size := _size(data)) else None,
}


_OF_ONE: Mapping[str, Callable[[Datum], float | None]] = {
    "Sum": lambda datum: datum.total,
    "SampleCount": lambda datum: datum.size,
    "Minimum": lambda datum: datum.low,
    "Maximum": lambda datum: datum.high,
    "Average": lambda datum: datum.total / datum.size if datum.size else None,
}
"""Statistic → its value of a single datum: most periods of a minute have only one."""


def aggregate(data: Sequence[Datum], stat: str) -> float | None:
    """Return one statistic over ``data``, at least one datum; None where CloudWatch has no answer.

    ``stat`` is Sum, Average, Minimum, Maximum, SampleCount or a percentile such as p95 or p99.9.
    Raise ``ValueError`` for anything else.
    """
    if stat in _PLAIN:
        return _OF_ONE[stat](data[0]) if len(data) == 1 else _PLAIN[stat](data)
    per_cent = _per_cent(stat)
    if not all(datum.values for datum in data) or not any(datum.size for datum in data):
        return None
    return percentile((pair for datum in data for pair in zip(datum.values, datum.counts, strict=True)), per_cent)


def _per_cent(stat: str) -> float:
    match = _PERCENTILE.fullmatch(stat)
    if match is None:
        raise ValueError(f"the statistic {stat} is not known: use Sum, Average, Minimum, Maximum, SampleCount or pNN.N")
    return float(match[1])


def check_stat(stat: str) -> None:
    """Raise ``ValueError`` with a plain sentence unless ``aggregate`` knows ``stat``."""
    if stat not in _PLAIN:
        _per_cent(stat)


def period_starts(start: float, end: float, period: int) -> range:
    """Return the starts of a query's periods, in epoch seconds: ``start`` rounded down to a whole minute (to the
    period where that is shorter), then in steps of ``period`` while before ``end``.

    Source: GetMetricData in the CloudWatch API Reference, for points of the last 15 days.
    """
    step = min(period, RESOLUTION)
    return range(math.floor(start / step) * step, math.ceil(end), period)


class _Series:
    __slots__ = ("data", "times")

    def __init__(self) -> None:
        self.times: list[float] = []
        self.data: list[Datum] = []

    def add(self, at: float, datum: Datum) -> None:
        if not self.times or at >= self.times[-1]:
            self.times.append(at)
            self.data.append(datum)
        else:
            place = bisect_right(self.times, at)
            self.times.insert(place, at)
            self.data.insert(place, datum)

    def forget(self, before: float) -> None:
        gone = max(bisect_left(self.times, before), len(self.times) - DATA_LIMIT)
        # An hour's slack: deleting from the front moves the whole list, so it is done seldom.
        if gone and (gone >= RESOLUTION or len(self.times) > DATA_LIMIT):
            del self.times[:gone]
            del self.data[:gone]


class TooManySeries(Exception):
    """More metrics than ``SERIES_LIMIT``."""


class MetricStore:
    """All series; safe to use from several threads."""

    def __init__(self, retention: float = RETENTION) -> None:
        self._retention = retention
        self._series: dict[MetricKey, _Series] = {}
        self._lock = Lock()

    def put(self, key: MetricKey, at: float, datum: Datum) -> None:
        """Keep ``datum`` at ``at``, in product epoch seconds. Data at the same moment add up."""
        with self._lock:
            series = self._series.get(key)
            if series is None:
                if len(self._series) >= SERIES_LIMIT:
                    raise TooManySeries(f"no more than {SERIES_LIMIT} metrics are kept")
                series = self._series[key] = _Series()
            series.add(at, datum)
            if series.times[0] < series.times[-1] - self._retention or len(series.times) > DATA_LIMIT:
                series.forget(series.times[-1] - self._retention)

    def metrics(self) -> list[MetricKey]:
        """Every metric that has data, in the order in which they first came."""
        with self._lock:
            return list(self._series)

    def last(self, key: MetricKey) -> float | None:
        """Return the time of the newest datum of ``key``, in epoch seconds; None if there is none."""
        with self._lock:
            series = self._series.get(key)
            return series.times[-1] if series and series.times else None

    def periods(
        self, key: MetricKey, start: float, end: float, period: int, unit: str | None = None
    ) -> Iterator[tuple[float, Sequence[Datum]]]:
        """Yield the data of ``[start, end)`` by period, as (start of the period, data), without empty periods.

        ``unit`` leaves out data that were put with another one, as CloudWatch does.
        """
        starts = period_starts(start, end, period)
        if not starts:
            return
        # A query that ends within a minute includes the whole of it: the stored point bears its first second.
        resolution = min(period, RESOLUTION)
        last = min(math.ceil(end / resolution) * resolution, starts[-1] + period)
        with self._lock:
            series = self._series.get(key)
            if series is None:
                return
            low, high = bisect_left(series.times, starts[0]), bisect_left(series.times, last)
            times, data = series.times[low:high], series.data[low:high]
        if unit is not None:
            kept = [i for i, datum in enumerate(data) if datum.unit == unit]
            times, data = [times[i] for i in kept], [data[i] for i in kept]
        here = 0
        while here < len(times):
            begin = starts[0] + int((times[here] - starts[0]) // period) * period
            stop = here + 1
            if stop < len(times) and times[stop] < begin + period:
                stop = bisect_left(times, begin + period, stop)
            yield float(begin), data[here:stop]
            here = stop

    def statistics(
        self, key: MetricKey, start: float, end: float, period: int, stat: str, *, unit: str | None = None
    ) -> list[tuple[float, float]]:
        """Return (start of the period, value) in time order, without periods that have no answer.

        ``start`` (inclusive) and ``end`` (exclusive) are product epoch seconds, ``period`` seconds. ``stat``
        is as for ``aggregate``; an unknown one raises ``ValueError`` even where there are no data.
        """
        check_stat(stat)
        answers = ((at, aggregate(data, stat)) for at, data in self.periods(key, start, end, period, unit))
        return [(at, value) for at, value in answers if value is not None]
