"""AWS's answers as they come: maps of which any key may be missing."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

Body = dict[str, Any]


def epoch(moment: object) -> float | None:
    """Return epoch seconds; None where AWS gives no time.

    boto3 gives a ``datetime``; a body that was kept as JSON, by a snapshot or by the CLI, a number or ISO 8601.
    """
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            return None
    if isinstance(moment, datetime):
        return moment.timestamp()
    return float(moment) if isinstance(moment, int | float) else None


def entries(body: Body, key: str) -> Iterable[Body]:
    return body.get(key) or ()
