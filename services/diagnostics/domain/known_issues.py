"""What the last look at a target found, and what the next one changes about it."""

from dataclasses import dataclass
from typing import Self

from contracts.base import Target
from contracts.diagnostics import Issue
from contracts.state import State

OF_OTHERS = frozenset({"configuration_drift", "way_back_lost", "desired_count_lowered"})
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


def published(before: KnownIssues, kind: str, issue: Issue | None) -> Change:
    """Return the change by what another service has told of a kind of issue in ``OF_OTHERS``; None: it is gone."""
    of_kind = tuple(known for known in before.issues if known.kind == kind)
    others = tuple(known for known in before.issues if known.kind != kind)
    now = () if issue is None else (issue,)
    return Change(
        after=KnownIssues(issues=(*others, *now), checked_at=before.checked_at),
        found=now if now != of_kind else (),
        gone=() if now else of_kind,
    )


def issues_key(target: Target) -> str:
    return f"issues:{target}"
