"""Guided troubleshooting in five parts (docs/requirements.md), one ``Playbook`` for each kind of trouble."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from contracts.base import Target, caused_id
from contracts.diagnostics import Issue, Severity
from contracts.prose import quote

MOST_EVIDENCE = 4

DESCRIBE_SERVICE = "aws ecs describe-services --cluster {cluster} --services {service}"
DESCRIBE_TASK = "aws ecs describe-tasks --cluster {cluster} --tasks {task}"
READ_LOGS = "aws logs get-log-events --log-group-name /ecs/{service} --log-stream-name <stream>"
CHECK_DATABASE = "GET /api/v1/health/database?cluster_name={cluster}&service_name={service}"
RECOMMENDATIONS = "GET /api/v1/resource-optimization/recommendations/{cluster}/{service}"
SCALE = "POST /api/v1/disaster-recovery/emergency-scale/{cluster}/{service}"
ROLL_BACK = "POST /api/v1/disaster-recovery/rollback/{cluster}/{service}"


@dataclass(frozen=True, slots=True)
class Playbook:
    """What is known about one kind of trouble, whatever the service."""

    kind: str
    category: Literal["infrastructure", "application", "security"]
    description: str
    impact: str
    causes: tuple[str, ...]
    steps: tuple[str, ...]
    """Commands may name ``{cluster}``, ``{service}`` and ``{task}`` (the newest task concerned)."""
    prevention: tuple[str, ...]

    def issue(self, target: Target, severity: Severity, evidence: Iterable[str], *, task: str = "<task-arn>") -> Issue:
        """Return the issue of one target. The same kind of trouble of the same target keeps its id."""
        names = {"cluster": target.cluster, "service": target.service, "task": task}
        return Issue(
            issue_id=caused_id(str(target), self.kind),
            kind=self.kind,
            category=self.category,
            severity=severity,
            description=self.description,
            impact=self.impact,
            causes=self.causes,
            steps=tuple(step.format(**names) for step in self.steps),
            prevention=self.prevention,
            evidence=tuple(quote(text) for text in list(evidence)[:MOST_EVIDENCE]),
        )
