"""What a look at a target changes that a command asked for."""

from contracts.base import Target, caused_id
from contracts.diagnostics import Issue, IssueFound, IssueGone
from services._chassis.transition import Decision, Emit, Transition
from services.diagnostics.domain.known_issues import KnownIssues, issues_key, update


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

    return Transition(issues_key(target), decide)
