"""A log event as Logs Insights sees it: fields with values, discovered in messages that are JSON.

Sources: CloudWatch Logs user guide, "Supported logs and discovered fields", "sort".
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice

FIELD_LIMIT = 200
"""Fields that are discovered in one event."""


class Moment(int):
    """Milliseconds since 1970 that are shown as a date; to compare and to count with they are a number."""


Value = str | int | float
Row = dict[str, Value]
"""Field to value; a field that an event lacks has no entry."""

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


def discovered(message: str) -> Row:
    """Return the fields of a message that is a JSON object: nested as ``a.b``, in lists ``a.0``, truth as 1 or 0."""
    if not message.lstrip().startswith("{"):
        return {}
    try:
        whole = json.loads(message, parse_int=_whole)
    except (ValueError, RecursionError):
        return {}
    return dict(islice(_flat(whole, ""), FIELD_LIMIT))


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) < 20 else float(digits)  # which is infinite rather than an error


def _flat(value: object, path: str) -> Iterator[tuple[str, Value]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flat(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _flat(inner, f"{path}.{place}")
    elif isinstance(value, bool):
        yield path, int(value)
    elif isinstance(value, (str, int, float)):
        yield path, value


def text(value: Value) -> str:
    """Return a value as results show it: dates as ``YYYY-MM-DD HH:MM:SS.mmm`` in UTC, whole numbers without a point."""
    if isinstance(value, Moment):
        seconds, milliseconds = divmod(int(value), 1000)
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{milliseconds:03}"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def number(value: Value | None) -> float | None:
    """Return ``value`` as a number, also from a string; None if it is no number."""
    if isinstance(value, str):
        return float(value) if _NUMBER.fullmatch(value) else None
    return None if value is None else float(value)


def rank(value: Value | None) -> tuple[int, float, list[tuple[str, int, str]]]:
    """Return the sort key: first events that lack the field, then text in natural order, then numbers."""
    if value is None:
        return 0, 0.0, []
    if (amount := number(value)) is not None:
        return 2, amount, []
    # A run of digits stands among other characters as a digit does, and among its like by length, then by value.
    chunks = re.findall(r"[0-9]+|[^0-9]+", text(value))
    return 1, 0.0, [("0", len(chunk), chunk) if chunk[0] in "0123456789" else (chunk, 0, "") for chunk in chunks]
