"""What the last look at a target found, and what the next one changes about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from contracts.base import Target
from contracts.diagnostics import Issue
from contracts.state import State

OF_OTHERS = frozenset({
    "configuration_drift", "way_back_lost", "way_back_expires", "desired_count_lowered", "taken_back_still_named",
})  # fmt: skip
"""Kinds of issues that another service has told: no look finds them, and none finds that they are gone."""


class KnownIssues(State):
    """The issues of one target."""

    issues: tuple[Issue, ...] = ()
    checked_at: float | None = None
    """Product time, epoch seconds; None: nobody has looked yet."""

    def issue(self, issue_id: str) -> Issue | None:
        return next((issue for issue in self.issues if issue.issue_id == issue_id), None)

    def with_those_of_others(self, stored: "KnownIssues") -> Self:
        """Return the issues with those that others have told, which only the ``stored`` ones know for certain."""
        own = tuple(issue for issue in self.issues if issue.kind not in OF_OTHERS)
        return self.replace(issues=(*own, *(issue for issue in stored.issues if issue.kind in OF_OTHERS)))


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
    gone = tuple(issue for issue in missing if complete and issue.kind not in OF_OTHERS)
    return Change(
        after=KnownIssues(issues=(*issues, *(issue for issue in missing if issue not in gone)), checked_at=now),
        found=tuple(issue for issue in issues if known.get(issue.issue_id) != issue.severity),
        gone=gone,
    )


def published(before: KnownIssues, issues: Mapping[str, Issue | None]) -> Change:
    """Return the change by what another service has told, by kinds of issues in ``OF_OTHERS``; None: it is gone."""
    others = tuple(known for known in before.issues if known.kind not in issues)
    now = tuple(issue for issue in issues.values() if issue is not None)
    return Change(
        after=KnownIssues(issues=(*others, *now), checked_at=before.checked_at),
        found=tuple(issue for issue in now if issue not in before.issues),
        gone=tuple(known for known in before.issues if known.kind in issues and issues[known.kind] is None),
    )


def issues_key(target: Target) -> str:
    return f"issues:{target}"
