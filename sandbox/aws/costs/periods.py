"""Periods of Cost Explorer: read from a request, refused in its words, and cut into months, days or hours.

Source: AWS Billing and Cost Management API reference, DateInterval and GetCostAndUsage.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from sandbox.aws.errors import AwsFault

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:00:00Z")
_STEPS = {"DAILY": timedelta(days=1), "HOURLY": timedelta(hours=1)}
GRANULARITIES = (*_STEPS, "MONTHLY")


@dataclass(frozen=True, slots=True)
class Period:
    """From ``start`` until before ``end``, in UTC, both at full hours."""

    start: datetime
    end: datetime

    @property
    def seconds(self) -> tuple[int, int]:
        """Return start and end in epoch seconds."""
        return int(self.start.timestamp()), int(self.end.timestamp())

    def written(self, granularity: str) -> dict[str, str]:
        """Return the period as an answer has it: with the time of day for hours only."""
        form = "%Y-%m-%dT%H:%M:%SZ" if granularity == "HOURLY" else "%Y-%m-%d"
        return {"Start": self.start.strftime(form), "End": self.end.strftime(form)}


def read_granularity(request: Mapping[str, Any]) -> str:
    """Return a request's granularity. Raise ``AwsFault`` for an unknown one."""
    granularity = str(request.get("Granularity", ""))
    if granularity not in GRANULARITIES:
        raise invalid(
            f"1 validation error detected: Value '{granularity}' at 'granularity' failed to satisfy constraint: "
            f"Member must satisfy enum value set: [{', '.join(sorted(GRANULARITIES))}]"
        )
    return granularity


def read_period(request: Mapping[str, Any], granularity: str, now: float) -> Period:
    """Return a request's period. Raise ``AwsFault`` for one that is upside down, unreadable, or too far ahead."""
    named = request.get("TimePeriod") or {}
    start, end = (_moment(side, str(named.get(side, "")), granularity) for side in ("Start", "End"))
    if start >= end:
        raise invalid("Start date (and hour) should be before end date (and hour)")
    oldest = timedelta(days=14) if granularity == "HOURLY" else timedelta(days=14 * 31)
    if start < datetime.fromtimestamp(now, UTC) - oldest:
        raise invalid(f"{granularity} data goes back {oldest.days} days only")
    if end > _next_month(datetime.fromtimestamp(now, UTC)):
        raise invalid("end date past the beginning of next month")
    return Period(start, end)


def split(period: Period, granularity: str) -> list[Period]:
    """Cut at the ends of months, days or hours; the first and the last piece may be shorter."""
    edges = [period.start]
    while edges[-1] < period.end:
        edges.append(min(_next(edges[-1], granularity), period.end))
    return [Period(start, end) for start, end in pairwise(edges)]


def is_estimated(period: Period, now: float) -> bool:
    """Return whether a part of the period is not billed yet, as the current month is."""
    return period.end > _month(datetime.fromtimestamp(now, UTC))


def invalid(message: str) -> AwsFault:
    """Return Cost Explorer's error for a request that it cannot read."""
    return AwsFault("ValidationException", message)


def _moment(side: str, text: str, granularity: str) -> datetime:
    hourly = granularity == "HOURLY"
    if _DATE.fullmatch(text) or (hourly and _TIME.fullmatch(text)):
        try:
            return datetime.fromisoformat(text).replace(tzinfo=UTC)
        except ValueError:
            pass  # the thirteenth month
    form = "yyyy-MM-ddTHH:00:00Z" if hourly else "yyyy-MM-dd"
    raise invalid(f"{side} time {text} is invalid. Valid format is: {form}.")


def _next(moment: datetime, granularity: str) -> datetime:
    return _next_month(moment) if granularity == "MONTHLY" else moment + _STEPS[granularity]


def _month(moment: datetime) -> datetime:
    return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _next_month(moment: datetime) -> datetime:
    return _month(_month(moment) + timedelta(days=31))
