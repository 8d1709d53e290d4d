"""Checks what recovery has left behind of a service on which it was asked to act by itself: nothing. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from tests.chaos.report import Report
from tests.chaos.standing import Standing


@dataclass(frozen=True, slots=True)
class Left:
    """A service before and after a campaign."""

    service: str
    before: Standing | None
    after: Standing | None = None
    """None: it is not there."""
    stands: tuple[str, ...] = ()
    """What recovery says that stands there in the end."""


def judge_left(report: Report, left: Sequence[Left], touched: Collection[str]) -> None:
    """Add the faults of what was left behind to a report. ``touched``: services to which somebody else has deployed."""
    for found in left:
        report.faults += [f"a {what} still stands on {found.service}" for what in found.stands]
        before, after = found.before, found.after
        if after is not None and before is not None and found.service in touched:
            after = replace(after, content=before.content, healthy=before.healthy)
        if after != before:
            report.faults.append(f"{found.service} is left as {after}, and was {before}")
