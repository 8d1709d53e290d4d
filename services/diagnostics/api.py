"""HTTP in, HTTP out: look now, list what was found, explain one issue."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from contracts.access import Role
from contracts.base import Target
from contracts.diagnostics import Issue
from contracts.prose import Prose
from services._aws.existing import Existing, looked_at
from services._chassis.access.permit import needs
from services._chassis.clock import Clock, moment
from services._chassis.http import Problem
from services._chassis.store import Store
from services._chassis.targets import Targets
from services.diagnostics.domain.diagnose import diagnose
from services.diagnostics.domain.known_issues import KnownIssues, issues_key, update
from services.diagnostics.ports import Inspector

PREFIX = "/diagnostics"
MOST_SEEN = 200
"""Targets whose last look over HTTP a process remembers."""


class IssuesBody(BaseModel):
    target: str
    checked_at: datetime | None
    """None: nobody has looked yet."""
    critical: int
    issues: tuple[Issue, ...]


class DiagnosticsBody(IssuesBody):
    unseen: tuple[Prose, ...]
    """What could not be looked at, and why."""


class TroubleshootingBody(BaseModel):
    """The five parts of the requirements (docs/requirements.md)."""

    issue_id: str
    target: str
    description: str
    impact: str
    root_causes: tuple[str, ...]
    resolution_steps: tuple[str, ...]
    prevention_measures: tuple[str, ...]
    evidence: tuple[Prose, ...]


def create_router(inspect: Inspector, store: Store, existing: Existing, targets: Targets, clock: Clock) -> APIRouter:
    router = APIRouter(prefix=PREFIX, tags=["diagnostics"])

    InQuery = Annotated[Target, Depends(targets.in_query)]  # noqa: N806  a type

    seen: dict[Target, KnownIssues] = {}
    """What requests have looked at, in this process alone, since a GET stores nothing; the oldest go first."""

    async def known_before(target: Target) -> KnownIssues:
        stored = await store.read(issues_key(target), KnownIssues)
        latest = max(stored, seen.get(target, stored), key=lambda issues: issues.checked_at or 0)
        return latest.with_those_of_others(stored)

    async def known(target: Target) -> KnownIssues:
        found = await known_before(target)
        if found.checked_at is None:
            await existing(target)  # nobody has looked yet: is there such a service at all?
        return found

    @router.get("/run-diagnostics", dependencies=[needs(Role.VIEWER)])
    async def run(target: InQuery) -> DiagnosticsBody:
        evidence = await looked_at(inspect(target), existing, target)
        now = clock.now()
        issues = diagnose(target, evidence, now)
        before = await known_before(target)
        seen.pop(target, None)
        seen[target] = update(before, issues, now, complete=not evidence.unseen).after
        if len(seen) > MOST_SEEN:
            del seen[next(iter(seen))]
        found = _body(target, KnownIssues(issues=issues, checked_at=now).with_those_of_others(before))
        return DiagnosticsBody(**found.model_dump(), unseen=evidence.unseen)

    @router.get("/issues", dependencies=[needs(Role.VIEWER)])
    async def get_issues(target: InQuery) -> IssuesBody:
        return _body(target, await known(target))

    @router.get("/troubleshooting/{issue_id}", dependencies=[needs(Role.VIEWER)])
    async def troubleshoot(issue_id: str, target: InQuery) -> TroubleshootingBody:
        issue = (await known(target)).issue(issue_id)
        if issue is None:
            raise Problem(404, "No such issue", f"{target} has no such issue now; GET /diagnostics/issues lists them.")
        return TroubleshootingBody(
            issue_id=issue.issue_id,
            target=str(target),
            description=issue.description,
            impact=f"{issue.severity}: {issue.impact}",
            root_causes=issue.causes,
            resolution_steps=issue.steps,
            prevention_measures=issue.prevention,
            evidence=issue.evidence,
        )

    return router


def _body(about: Target, seen: KnownIssues) -> IssuesBody:
    return IssuesBody(
        target=str(about),
        checked_at=None if seen.checked_at is None else moment(seen.checked_at),
        critical=sum(issue.severity == "critical" for issue in seen.issues),
        issues=seen.issues,
    )
