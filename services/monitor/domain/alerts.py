"""When a rule's state becomes an alert, and when the alert is over.

An alert is raised as soon as its rule is broken (the rule's window is the delay) and resolved after two good
evaluations of different minutes. No data neither raises nor resolves: silence is no evidence.
"""

from datetime import UTC, datetime

from contracts.base import Contract, Target, caused_id
from contracts.monitor import CriticalAlert, DependencyFault, WarningAlert
from services.monitor.domain.rules import Rule, RuleState

RESOLVED_AFTER = 2
"""Good evaluations in a row."""

Alert = CriticalAlert | WarningAlert


class AlertState(Contract):
    """How a rule's alert stands; the default is quiet."""

    began_at: float | None = None
    """Product time, epoch seconds, at which it was first seen broken; None: it is not."""
    good: int = 0
    """Good evaluations in a row since."""
    judged_until: float = 0.0
    """The end of the newest minute that was judged; an older or equal one says nothing new."""


def step(
    alert: AlertState,
    rule: Rule,
    state: RuleState,
    target: Target,
    now: float,
    fault: DependencyFault | None = None,
) -> tuple[AlertState, Alert | None]:
    """Return how the alert stands after ``state``, and what is to be published. ``fault``: of a dependency."""
    if state.verdict == "no_data" or state.until <= alert.judged_until:
        return alert, None
    if state.verdict == "broken":
        if alert.began_at is None:
            return AlertState(began_at=now, judged_until=state.until), _alert(rule, state, target, now, "raised", fault)
        return alert.model_copy(update={"good": 0, "judged_until": state.until}), None
    if alert.began_at is None:
        return alert.model_copy(update={"judged_until": state.until}), None
    if alert.good + 1 < RESOLVED_AFTER:
        return alert.model_copy(update={"good": alert.good + 1, "judged_until": state.until}), None
    return AlertState(judged_until=state.until), _alert(rule, state, target, alert.began_at, "resolved")


def _alert(
    rule: Rule, state: RuleState, target: Target, began_at: float, what: str, fault: DependencyFault | None = None
) -> Alert:
    kind = CriticalAlert if rule.severity == "critical" else WarningAlert
    value = "no data" if state.value is None else f"{state.value:.4g}{rule.unit}"
    return kind.model_validate(
        {
            "target": target,
            "alert_id": caused_id(f"{target}:{rule.name}", f"{began_at:.3f}"),
            "rule": rule.name,
            "state": what,
            "value": state.value,
            "comparison": rule.comparison,
            "threshold": rule.threshold,
            "unit": rule.unit.strip(),
            "samples": state.samples,
            "began_at": datetime.fromtimestamp(began_at, UTC),
            "detail": f"{rule.name}: {value}, limit {rule.comparison} {rule.threshold:g}{rule.unit}"
            + (f" ({state.detail})" if state.detail else "")
            + (f"; {fault.detail}" if fault else ""),
            "dependency": fault.detail if fault else "",
            "dependency_fault": fault,
        }
    )
