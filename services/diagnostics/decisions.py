"""What a look at a target changes that a command asked for."""

from collections.abc import Mapping

from contracts.base import Target, caused_id
from contracts.diagnostics import Issue, IssueFound, IssueGone
from services._chassis.transition import Decision, Emit, Transition
from services.diagnostics.domain.known_issues import Change, KnownIssues, issues_key, published, update


def record_issues(
    target: Target,
    issues: tuple[Issue, ...],
    now: float,
    *,
    complete: bool,
    cause: str,
    run_id: str | None = None,
    also: tuple[Emit, ...] = (),
) -> Transition:
    """Store what a look found, and publish what is new and what is gone."""

    def decide(state: bytes | None) -> Decision:
        change = update(KnownIssues.from_bytes(state), issues, now, complete=complete)
        return _published(target, change, cause, run_id, also)

    return Transition(issues_key(target), decide)


def record_published(target: Target, issues: Mapping[str, Issue | None], cause: str) -> Transition:
    """Store the issues that another service has told, by kind, and publish them; None: it is gone."""

    def decide(state: bytes | None) -> Decision:
        return _published(target, published(KnownIssues.from_bytes(state), issues), cause)

    return Transition(issues_key(target), decide)


def _published(
    target: Target, change: Change, cause: str, run_id: str | None = None, also: tuple[Emit, ...] = ()
) -> Decision:
    found = (
        Emit(IssueFound(target=target, run_id=run_id, issue=issue), caused_id(cause, f"found:{issue.issue_id}"))
        for issue in change.found
    )
    gone = (
        Emit(
            IssueGone(target=target, issue_id=issue.issue_id, kind=issue.kind),
            caused_id(cause, f"gone:{issue.issue_id}"),
        )
        for issue in change.gone
    )
    return Decision(state=change.after.to_bytes(), emit=(*found, *gone, *also), expires=True)
