"""What the last look at a target found, and what the next one changes about it."""

from dataclasses import dataclass

from contracts.base import Target
from contracts.diagnostics import Issue
from contracts.state import State


class KnownIssues(State):
    """The issues of one target."""

    issues: tuple[Issue, ...] = ()
    checked_at: float | None = None
    """Product time, epoch seconds; None: nobody has looked yet."""

    def issue(self, issue_id: str) -> Issue | None:
        return next((issue for issue in self.issues if issue.issue_id == issue_id), None)


@dataclass(frozen=True, slots=True)
class Change:
    after: KnownIssues
    found: tuple[Issue, ...]
    """Issues that are new, or whose severity has changed."""
    gone: tuple[Issue, ...]


def update(before: KnownIssues, issues: tuple[Issue, ...], now: float, *, complete: bool) -> Change:
    """Compare the issues of two looks. An issue that an incomplete look does not show is not gone."""
    known = {issue.issue_id: issue.severity for issue in before.issues}
    seen = {issue.issue_id for issue in issues}
    missing = tuple(issue for issue in before.issues if issue.issue_id not in seen)
    kept = () if complete else missing
    return Change(
        after=KnownIssues(issues=(*issues, *kept), checked_at=now),
        found=tuple(issue for issue in issues if known.get(issue.issue_id) != issue.severity),
        gone=missing if complete else (),
    )


def issues_key(target: Target) -> str:
    return f"issues:{target}"
