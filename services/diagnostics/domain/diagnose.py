"""Evidence → issues, the worst first."""

from contracts.base import Target
from contracts.diagnostics import Issue
from contracts.gates import Gate
from services.diagnostics.domain import capacity, crashes, images, rollout, start_up, targets, task_rule
from services.diagnostics.domain.evidence import Evidence, NotObserved
from services.diagnostics.domain.situation import Situation

TASK_RULES = (*images.RULES, *crashes.RULES, *capacity.RULES, *start_up.RULES)
"""The order matters: a task belongs to the first rule that concerns it."""

_ORDER = {"critical": 0, "warning": 1, "info": 2}


def diagnose(target: Target, evidence: Evidence, now: float) -> tuple[Issue, ...]:
    """Return what is wrong with the target at ``now``, at most one issue of each kind."""
    service = evidence.service
    if service is None:
        return (rollout.MISSING.issue(target, "critical", ()),)
    if service.being_deleted is not None:
        return (rollout.MISSING.issue(target, "critical", (service.being_deleted,)),)
    situation = Situation.of(evidence, service, now)
    stopped = () if isinstance(evidence.stopped, NotObserved) else evidence.stopped
    seen = () if evidence.targets is None or isinstance(evidence.targets, NotObserved) else evidence.targets
    found = (
        *rollout.find(target, situation),
        *task_rule.find(target, stopped, TASK_RULES, situation),
        *targets.find(target, seen, situation),
        *capacity.find(target, service.events, situation),
    )
    return tuple(sorted(found, key=lambda issue: _ORDER[issue.severity]))


def gate(issues: tuple[Issue, ...], evidence: Evidence) -> Gate:
    """Judge that there is no critical issue; it is inconclusive where none was found and evidence is missing."""
    critical = [issue for issue in issues if issue.severity == "critical"]
    return Gate.measured(
        "critical_issues",
        len(critical),
        "<=",
        0,
        samples=evidence.sources - len(evidence.unseen),
        minimum=1 if critical else evidence.sources,
        detail="; ".join((*(f"{issue.kind}: {issue.description}" for issue in critical), *evidence.unseen)),
    )


def summary(issues: tuple[Issue, ...], unseen: tuple[str, ...]) -> str:
    """Return what was found, the worst of it, and what could not be looked at."""
    counts = {severity: sum(issue.severity == severity for issue in issues) for severity in _ORDER}
    found = ", ".join(f"{count} {severity}" for severity, count in counts.items() if count)
    worst = f": {issues[0].description}" if issues else ""
    missing = f" Not seen: {'; '.join(unseen)}." if unseen else ""
    return f"{f'Issues found ({found}){worst}' if found else 'No issue found.'}{missing}"
