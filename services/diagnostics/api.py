"""HTTP in, HTTP out: look now, list what was found, explain one issue."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from uuid import uuid4

from fastapi import APIRouter
from pydantic import BaseModel

from contracts.base import Target
from contracts.diagnostics import Issue
from services._aws.existing import Existing
from services._chassis.clock import Clock, moment
from services._chassis.http import Problem, named_target
from services._chassis.store import Store
from services.diagnostics.domain.board import Board
from services.diagnostics.domain.diagnose import diagnose
from services.diagnostics.domain.evidence import Evidence
from services.diagnostics.handlers import board_key, noted
from services.diagnostics.ports import Inspector

ANSWER_SECONDS = 30.0
"""Real seconds for one look."""

Targets = Callable[[str | None, str | None], Target]


class IssuesBody(BaseModel):
    target: str
    checked_at: datetime | None
    """None: nobody has looked yet."""
    critical: int
    issues: tuple[Issue, ...]


class DiagnosticsBody(IssuesBody):
    unseen: tuple[str, ...]
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
    evidence: tuple[str, ...]


def router(inspector: Inspector, store: Store, existing: Existing, *, target: Targets, clock: Clock) -> APIRouter:
    """Return the routes; ``target`` turns the query's names into a target or raises ``ValueError``."""
    routes = APIRouter(prefix="/diagnostics", tags=["diagnostics"])

    async def known(about: Target) -> Board:
        found = Board.from_bytes(await store.load(board_key(about)))
        if found.checked_at is None:
            await existing(about)  # nobody has looked yet: is there such a service at all?
        return found

    @routes.get("/run-diagnostics")
    async def run(cluster_name: str | None = None, service_name: str | None = None) -> DiagnosticsBody:
        about = named_target(target, cluster_name, service_name)
        evidence = await _inspect(inspector, existing, about)
        now = clock.now()
        issues = diagnose(about, evidence, now)
        cause = f"http:{uuid4()}"  # a request has no cause but itself
        await store.apply(noted(about, issues, now, complete=not evidence.unseen, cause=cause), cause=cause)
        return DiagnosticsBody(
            **_body(about, Board(issues=issues, checked_at=now)).model_dump(), unseen=evidence.unseen
        )

    @routes.get("/issues")
    async def get_issues(cluster_name: str | None = None, service_name: str | None = None) -> IssuesBody:
        about = named_target(target, cluster_name, service_name)
        return _body(about, await known(about))

    @routes.get("/troubleshooting/{issue_id}")
    async def troubleshoot(
        issue_id: str, cluster_name: str | None = None, service_name: str | None = None
    ) -> TroubleshootingBody:
        about = named_target(target, cluster_name, service_name)
        issue = (await known(about)).issue(issue_id)
        if issue is None:
            raise Problem(404, "No such issue", f"{about} has no such issue now; GET /diagnostics/issues lists them.")
        return TroubleshootingBody(
            issue_id=issue.issue_id,
            target=str(about),
            description=issue.description,
            impact=f"{issue.severity}: {issue.impact}",
            root_causes=issue.causes,
            resolution_steps=issue.steps,
            prevention_measures=issue.prevention,
            evidence=issue.evidence,
        )

    return routes


async def _inspect(inspector: Inspector, existing: Existing, about: Target) -> Evidence:
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            evidence = await inspector.inspect(about)
    except TimeoutError:
        raise Problem(504, "No answer in time", f"{about} could not be looked at in time.") from None
    if evidence.service is None:
        await existing(about)
        raise Problem(404, "No such service", f"ECS knows no active service {about}.")
    return evidence


def _body(about: Target, seen: Board) -> IssuesBody:
    return IssuesBody(
        target=str(about),
        checked_at=None if seen.checked_at is None else moment(seen.checked_at),
        critical=sum(one.severity == "critical" for one in seen.issues),
        issues=seen.issues,
    )
