"""Logs the course of a deployment: one line for each decided event that an operator wants to find in a log.

The events themselves are the record; they carry no secrets, and neither do these lines.
"""

from collections.abc import Callable
from typing import Any

import structlog

from contracts.base import Event
from contracts.deployment import DeploymentFinished, DeploymentStarted, GateEvaluated, PhaseFinished, PhaseStarted
from contracts.gates import Verdict
from contracts.monitor import CriticalAlert, WarningAlert
from contracts.recovery import ChangeApplied, RollbackDecided, RollbackFinished, RollbackStarted

log = structlog.get_logger()


def _gate(event: GateEvaluated) -> dict[str, Any] | None:
    gate = event.gate
    if gate.verdict is Verdict.PASS:
        return None
    judged = {"verdict": gate.verdict, "arithmetic": gate.arithmetic, "overridden_by": gate.overridden_by}
    return {"phase": event.phase, "gate": gate.name, **judged}


_LINES: dict[type[Event], tuple[str, Callable[[Any], dict[str, Any] | None]]] = {
    DeploymentStarted: ("run started", lambda event: {"actor": event.actor, "change": event.change.kind}),
    DeploymentFinished: (
        "run finished",
        lambda event: {"outcome": event.outcome, "cause": event.cause, "reason": event.reason},
    ),
    PhaseStarted: ("phase started", lambda event: {"phase": event.phase, "deadline": event.deadline.isoformat()}),
    PhaseFinished: ("phase finished", lambda event: {"phase": event.phase, "verdict": event.verdict}),
    GateEvaluated: ("gate did not pass", _gate),
    ChangeApplied: ("change applied", lambda event: {"deployment": event.deployment_id}),
    RollbackStarted: ("rollback started", lambda event: {"snapshot": event.snapshot_id, "detail": event.detail}),
    RollbackFinished: ("rollback finished", lambda event: {"result": event.result, "detail": event.detail}),
    RollbackDecided: (
        "rollback decided",
        lambda event: {"decision": event.decision, "why": event.reason, "sentence": event.sentence},
    ),
    CriticalAlert: ("critical alert", lambda event: {"rule": event.rule, "state": event.state}),
    WarningAlert: ("warning alert", lambda event: {"rule": event.rule, "state": event.state}),
}


def log_event(event: object) -> None:
    """Write the line of an event that was decided, if it has one."""
    if not isinstance(event, Event) or type(event) not in _LINES:
        return
    line, fields_of = _LINES[type(event)]
    fields = fields_of(event)
    if fields is not None:
        given = {name: value for name, value in fields.items() if value not in {None, ""}}
        calls_people = isinstance(event, RollbackDecided) and event.decision == "people-called"
        write = log.critical if calls_people else log.info
        write(line, target=str(event.target), run_id=getattr(event, "run_id", None), **given)
