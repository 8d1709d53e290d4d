"""When a rule's state becomes an alert, and when the alert is over.

An alert is raised as soon as its rule is broken (the rule's window is the delay) and resolved after two good
evaluations of different minutes. No data neither raises nor resolves: silence is no evidence.
"""

from datetime import UTC, datetime

from contracts.base import Contract, Target, caused_id
from contracts.monitor import CriticalAlert, WarningAlert
from services.monitor.domain.rules import Rule, RuleState

RESOLVED_AFTER = 2
"""Good evaluations in a row."""

Alert = CriticalAlert | WarningAlert


class Standing(Contract):
    """How a rule's alert stands; the default is quiet."""

    began_at: float | None = None
    """Product time, epoch seconds, at which it was first seen broken; None: it is not."""
    good: int = 0
    """Good evaluations in a row since."""
    judged_until: float = 0.0
    """The end of the newest minute that was judged; an older or equal one says nothing new."""


def step(
    standing: Standing, rule: Rule, state: RuleState, target: Target, now: float, trouble: str = ""
) -> tuple[Standing, Alert | None]:
    """Return how the alert stands after ``state``, and what is to be told. ``trouble``: of a dependency."""
    if state.verdict == "no_data" or state.until <= standing.judged_until:
        return standing, None
    if state.verdict == "broken":
        if standing.began_at is None:
            return Standing(began_at=now, judged_until=state.until), _alert(rule, state, target, now, "raised", trouble)
        return standing.model_copy(update={"good": 0, "judged_until": state.until}), None
    if standing.began_at is None:
        return standing.model_copy(update={"judged_until": state.until}), None
    if standing.good + 1 < RESOLVED_AFTER:
        return standing.model_copy(update={"good": standing.good + 1, "judged_until": state.until}), None
    return Standing(judged_until=state.until), _alert(rule, state, target, standing.began_at, "resolved")


def _alert(rule: Rule, state: RuleState, target: Target, began_at: float, what: str, trouble: str = "") -> Alert:
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
            + (f"; {trouble}" if trouble else ""),
            "dependency": trouble,
        }
    )
