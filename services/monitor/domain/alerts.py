"""When a rule's state becomes an alert, and when the alert is over.

An alert is raised as soon as its rule is broken (the rule's window is the delay) and resolved after two good
evaluations of different minutes. No data neither raises nor resolves: silence is no evidence.

A deployment answers only for windows that lie wholly in its own time. So an alert whose first window began earlier is
raised again, with the same id, once a window lies there and the version before did not break the rule as much. The
same holds for a deployment of the same version that follows in the middle of the trouble. So is one that a dependency
explained, once a window lies wholly in the time in which that is well again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from contracts.base import Contract, Target, caused_id
from contracts.monitor import Attribution, CriticalAlert, DependencyFault, WarningAlert
from contracts.policy_rules import BUILT_IN_RULES, RulePolicy
from contracts.policy_section import Digest
from services.monitor.domain.rollout import Rollout
from services.monitor.domain.rules import Rule, RuleState, rules_of

RESOLVED_AFTER = 2
"""Good evaluations in a row."""
CLOCKS_APART = 60.0
"""So many seconds AWS's clock and ours may differ."""
GONE = "the policy has no such rule any more"

Alert = CriticalAlert | WarningAlert
_BUILT_IN = {rule.name: rule for rule in BUILT_IN_RULES}


class AlertState(Contract):
    """The state of a rule's alert; by default there is none."""

    began_at: float | None = None
    """Product time, epoch seconds, at which the rule was first seen broken; None while there is no alert."""
    good: int = 0
    """Good evaluations in a row since the rule was last seen broken."""
    judged_until: float = 0.0
    """The end of the newest minute that was judged; up to there nothing is judged again."""
    charged_to: str = ""
    """The deployment to which the alert was last attributed; empty: to none."""
    charged_from: float = 0.0
    """The begin of the window of the alert that did so."""
    excused: bool = False
    """Whether a dependency explained it when it was raised last."""
    rule: RulePolicy | None = None
    """The rule that was broken; None also in what the previous version wrote, which knew the built-in rules alone."""

    def belongs_to(self, rule: Rule) -> bool:
        """Whether a rule of the same name continues this alert: its metric and its severity must be the same."""
        return self.rule is None or (self.rule.metric, self.rule.severity) == (rule.measure.metric, rule.severity)


@dataclass(frozen=True, slots=True)
class Charge:
    """The deployment to which a broken rule is attributed, or that it is not attributed to any."""

    attribution: Attribution | None = None
    rollout: Rollout | None = None
    """The newest deployment; None where ECS lists none."""
    doubt: str | None = None
    """What speaks against going back from it (``doubt.py``); None where nobody has looked."""

    @property
    def against(self) -> str:
        """The deployment that may be to blame; empty: none."""
        return self.rollout.id if self.rollout and self.attribution in {None, "new-version"} else ""

    def is_new(self, alert: AlertState, since: float) -> bool:
        """Return whether the alert, which was raised earlier, has to be raised again: ``since``, its window has begun.

        Those who act on it compare its window with their own record of the newest deployment, by a clock that may
        differ. That may be one of the same version, in the middle of the trouble.
        """
        if not self.against or self.rollout is None:
            return False
        newest_at = max(self.rollout.newest_at, self.rollout.began_at)
        counted = alert.charged_to == self.against and alert.charged_from >= newest_at + CLOCKS_APART
        return not counted and since >= newest_at


UNKNOWN = Charge()


def step(
    alert: AlertState,
    rule: Rule,
    state: RuleState,
    target: Target,
    now: float,
    fault: DependencyFault | None = None,
    digest: Digest = "",
    charge: Charge = UNKNOWN,
) -> tuple[AlertState, Alert | None]:
    """Return the alert's state after an evaluation, and the event to publish, if there is one.

    ``fault`` is what was wrong with a dependency in the window of ``state``, ``digest`` names the policy that has the
    rule, ``charge`` says whose the rule is while it is broken.
    """
    if state.verdict == "no_data" or state.until <= alert.judged_until:
        return alert, None
    if state.verdict == "broken":
        began_at = now if alert.began_at is None else alert.began_at
        broken = alert.model_copy(
            update={"began_at": began_at, "good": 0, "judged_until": state.until, "rule": alert.rule or rule.policy}
        )
        unexplained = alert.excused and fault is None
        if alert.began_at is not None and not unexplained and not charge.is_new(alert, state.since or 0.0):
            return broken, None
        charged = {"charged_to": charge.against, "charged_from": state.since or 0.0, "excused": fault is not None}
        return broken.model_copy(update=charged), _alert(rule, state, target, began_at, "raised", digest, fault, charge)
    if alert.began_at is None:
        return alert.model_copy(update={"judged_until": state.until}), None
    if alert.good + 1 < RESOLVED_AFTER:
        return alert.model_copy(update={"good": alert.good + 1, "judged_until": state.until}), None
    return AlertState(judged_until=state.until), _alert(rule, state, target, alert.began_at, "resolved", digest)


def without_rules(
    alerts: Mapping[str, AlertState], rules: Iterable[Rule], target: Target, digest: Digest
) -> tuple[dict[str, AlertState], tuple[Alert, ...]]:
    """Return the alerts that ``rules`` continue, and the resolutions of those whose rule is gone."""
    by_name = {rule.name: rule for rule in rules}
    kept = {name: alert for name, alert in alerts.items() if name in by_name and alert.belongs_to(by_name[name])}
    ended = {name: alert for name, alert in alerts.items() if name not in kept}
    return kept, resolved(ended, target, digest, GONE)


def resolved(alerts: Mapping[str, AlertState], target: Target, digest: Digest, why: str) -> tuple[Alert, ...]:
    """Return the resolutions of raised alerts that are over for the reason ``why``, without a measurement."""
    by_rule = ((alert, alert.rule or _BUILT_IN.get(name)) for name, alert in alerts.items())
    return tuple(
        _unmeasured(rule, alert.began_at, target, digest, why)
        for alert, rule in by_rule
        if rule is not None and alert.began_at is not None
    )


def _unmeasured(policy: RulePolicy, began_at: float, target: Target, digest: Digest, why: str) -> Alert:
    (rule,) = rules_of((policy,))
    state = RuleState(rule=rule.name, verdict="no_data", value=None, samples=0, until=0, detail=why)
    return _alert(rule, state, target, began_at, "resolved", digest)


def _alert(
    rule: Rule,
    state: RuleState,
    target: Target,
    began_at: float,
    what: str,
    digest: Digest,
    fault: DependencyFault | None = None,
    charge: Charge | None = None,
) -> Alert:
    kind = CriticalAlert if rule.severity == "critical" else WarningAlert
    value = "no data" if state.value is None else f"{state.value:.4g}{rule.unit}"
    return kind.model_validate(
        {
            "target": target,
            "alert_id": caused_id(str(target), f"{rule.name}:{began_at:.3f}"),
            "rule": rule.name,
            "state": what,
            "value": state.value,
            "comparison": rule.comparison,
            "threshold": rule.threshold,
            "unit": rule.unit.strip(),
            "samples": state.samples,
            "began_at": datetime.fromtimestamp(began_at, UTC),
            **_evidence(state, charge),
            "detail": f"{rule.name}: {value}, limit {rule.comparison} {rule.threshold:g}{rule.unit}"
            + (f" ({state.detail})" if state.detail else "")
            + (f"; {fault.detail}" if fault else ""),
            "policy_digest": digest,
            "dependency": fault.detail if fault else "",
            "dependency_fault": fault,
        }
    )


def _evidence(state: RuleState, charge: Charge | None) -> dict[str, Any]:
    """Return the window of a broken rule, and whose it is; nothing for a resolution."""
    if charge is None or state.since is None:
        return {}
    return {
        "window_from": datetime.fromtimestamp(state.since, UTC),
        "window_until": datetime.fromtimestamp(state.until, UTC),
        "attribution": charge.attribution,
        "deployment_id": charge.rollout.id if charge.rollout else "",
        "doubt": charge.doubt,
    }
