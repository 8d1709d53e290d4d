"""The aggregations of Logs Insights over the values of one field.

Source: CloudWatch Logs user guide, "stats", "Functions to use with stats".
"""

from collections.abc import Callable, Mapping, Sequence

from sandbox.aws.cloudwatch.metric_store import percentile
from sandbox.aws.logs.records import Row, Value, number, rank, text

Read = Callable[[Row], Value | None]
Aggregate = Callable[[Sequence[Row]], Value | None]
"""Rows of a group, at least one, to a value; nothing where no row has what it takes."""


def count_all(rows: Sequence[Row]) -> int:
    return len(rows)


def over(name: str, read: Read) -> Aggregate:
    """Return the aggregation of this name, one of ``FUNCTIONS``, over what ``read`` finds in each row."""
    function = FUNCTIONS[name]
    return lambda rows: function(rows, read)


def pct(read: Read, per_cent: float) -> Aggregate:
    """Return the aggregation for a percentile, interpolated as for metrics."""

    def aggregate(rows: Sequence[Row]) -> float | None:
        found = _numbers(rows, read)
        return percentile([(value, 1.0) for value in found], per_cent) if found else None

    return aggregate


def _values(rows: Sequence[Row], read: Read) -> list[Value]:
    return [value for row in rows if (value := read(row)) is not None]


def _numbers(rows: Sequence[Row], read: Read) -> list[float]:
    return [value for row in rows if (value := number(read(row))) is not None]


def _sum(rows: Sequence[Row], read: Read) -> float | None:
    found = _numbers(rows, read)
    return sum(found) if found else None


def _avg(rows: Sequence[Row], read: Read) -> float | None:
    found = _numbers(rows, read)
    return sum(found) / len(found) if found else None


def _earliest(rows: Sequence[Row], read: Read) -> Value | None:
    dated = [row for row in rows if "@timestamp" in row and read(row) is not None]
    return read(min(dated, key=lambda row: rank(row["@timestamp"]))) if dated else None


def _latest(rows: Sequence[Row], read: Read) -> Value | None:
    dated = [row for row in rows if "@timestamp" in row and read(row) is not None]
    return read(max(dated, key=lambda row: rank(row["@timestamp"]))) if dated else None


FUNCTIONS: Mapping[str, Callable[[Sequence[Row], Read], Value | None]] = {
    "count": lambda rows, read: len(_values(rows, read)),
    "count_distinct": lambda rows, read: len({text(value) for value in _values(rows, read)}),
    "sum": _sum,
    "avg": _avg,
    "min": lambda rows, read: min(_values(rows, read), key=rank, default=None),
    "max": lambda rows, read: max(_values(rows, read), key=rank, default=None),
    "earliest": _earliest,
    "latest": _latest,
}
"""Aggregations of one field. Text is neither added nor averaged; min and max use the order of ``sort``."""
