"""HTTP in, HTTP out: look now, list what was found, explain one issue."""

from dataclasses import dataclass, field
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


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Does the work of the routes."""

    inspect: Inspector
    store: Store
    existing: Existing
    clock: Clock
    seen: dict[Target, KnownIssues] = field(default_factory=dict)
    """What requests have looked at, in this process alone, since a GET stores nothing; the oldest go first."""

    async def run(self, target: Target) -> DiagnosticsBody:
        """Look at the service now."""
        evidence = await looked_at(self.inspect(target), self.existing, target)
        now = self.clock.now()
        issues = diagnose(target, evidence, now)
        before = await self._known_before(target)
        self.seen.pop(target, None)
        self.seen[target] = update(before, issues, now, complete=not evidence.unseen).after
        if len(self.seen) > MOST_SEEN:
            del self.seen[next(iter(self.seen))]
        found = _body(target, KnownIssues(issues=issues, checked_at=now).with_those_of_others(before))
        return DiagnosticsBody(**found.model_dump(), unseen=evidence.unseen)

    async def known(self, target: Target) -> KnownIssues:
        """Return what the last look has found, over HTTP or by itself."""
        found = await self._known_before(target)
        if found.checked_at is None:
            await self.existing(target)  # nobody has looked yet: is there such a service at all?
        return found

    async def _known_before(self, target: Target) -> KnownIssues:
        stored = await self.store.read(issues_key(target), KnownIssues)
        latest = max(stored, self.seen.get(target, stored), key=lambda issues: issues.checked_at or 0)
        return latest.with_those_of_others(stored)

    async def explained(self, target: Target, issue_id: str) -> TroubleshootingBody:
        """Return one issue with its causes and the steps that resolve it."""
        issue = (await self.known(target)).issue(issue_id)
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


def create_router(endpoints: Endpoints, targets: Targets) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix=PREFIX, tags=["diagnostics"])

    InQuery = Annotated[Target, Depends(targets.in_query)]  # noqa: N806  a type

    @router.get("/run-diagnostics", dependencies=[needs(Role.VIEWER)])
    async def run(target: InQuery) -> DiagnosticsBody:
        return await endpoints.run(target)

    @router.get("/issues", dependencies=[needs(Role.VIEWER)])
    async def get_issues(target: InQuery) -> IssuesBody:
        return _body(target, await endpoints.known(target))

    @router.get("/troubleshooting/{issue_id}", dependencies=[needs(Role.VIEWER)])
    async def troubleshoot(issue_id: str, target: InQuery) -> TroubleshootingBody:
        return await endpoints.explained(target, issue_id)

    return router


def _body(about: Target, seen: KnownIssues) -> IssuesBody:
    return IssuesBody(
        target=str(about),
        checked_at=None if seen.checked_at is None else moment(seen.checked_at),
        critical=sum(issue.severity == "critical" for issue in seen.issues),
        issues=seen.issues,
    )
