"""What the last look at a target found, and what the next one changes about it."""

from dataclasses import dataclass

from contracts.diagnostics import Issue
from contracts.state import State


class Board(State):
    """The issues of one target."""

    issues: tuple[Issue, ...] = ()
    checked_at: float | None = None
    """Product time, epoch seconds; None: nobody has looked yet."""

    def issue(self, issue_id: str) -> Issue | None:
        return next((one for one in self.issues if one.issue_id == issue_id), None)


@dataclass(frozen=True, slots=True)
class Change:
    after: Board
    found: tuple[Issue, ...]
    """New, or as severe as never told before."""
    gone: tuple[Issue, ...]


def update(before: Board, issues: tuple[Issue, ...], now: float, *, complete: bool) -> Change:
    """Compare. What an incomplete look does not show is not gone."""
    known = {one.issue_id: one for one in before.issues}
    seen = {one.issue_id for one in issues}
    missing = tuple(one for one in before.issues if one.issue_id not in seen)
    kept = () if complete else missing
    return Change(
        after=Board(issues=(*issues, *kept), checked_at=now),
        found=tuple(one for one in issues if one.issue_id not in known or known[one.issue_id].severity != one.severity),
        gone=missing if complete else (),
    )
