"""Diagnostics: what is wrong, and what to do."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from contracts.base import Contract, Event, RunId
from contracts.prose import Prose

Severity = Literal["critical", "warning", "info"]


class RunDiagnostics(Event):
    """Look at service events, stopped tasks and target health."""

    overridable: ClassVar[Mapping[str, str]] = {
        "critical_issues": "diagnostics find no critical issue",
        "run_diagnostics": "diagnostics could look at the service",
        "run_diagnostics_answered": "diagnostics answered in time",
    }

    run_id: RunId


class Issue(Contract):
    """The five parts of the requirements (docs/requirements.md), with the evidence quoted."""

    issue_id: str
    """Derived from target and kind, so that the same issue keeps its id."""
    kind: str
    category: Literal["infrastructure", "application", "security"]
    severity: Severity
    description: str
    impact: str
    causes: tuple[str, ...]
    steps: tuple[str, ...]
    prevention: tuple[str, ...]
    evidence: tuple[Prose, ...]


class IssueFound(Event):
    run_id: RunId | None = None
    issue: Issue


class IssueGone(Event):
    issue_id: str
    kind: str
