"""The service is not as its last good snapshot has it: recovery compares them, and tells what differs."""

from contracts.diagnostics import Issue
from contracts.recovery import DriftObserved
from services.diagnostics.domain.playbook import DESCRIBE_SERVICE, Playbook

DRIFT = Playbook(
    "configuration_drift",
    "infrastructure",
    "The service is not as its last good snapshot has it.",
    "What runs was not checked in this form, and a rollback would change these settings back as well.",
    (
        "somebody has changed the service by hand",
        "another tool has deployed it (Terraform, CDK, a pipeline of its own)",
        "a change that was meant to stay was not deployed through Surefoot",
    ),
    (
        "GET /api/v1/disaster-recovery/drift/{cluster}/{service}",
        DESCRIBE_SERVICE,
        "keep the change: deploy it through Surefoot, which checks it and takes a new snapshot",
        "undo it: surefoot rollback {cluster} {service} --latest-proven --dry-run",
    ),
    ("change services through one door only", "let the other tools ignore what Surefoot changes"),
)


def issue_of(event: DriftObserved) -> Issue | None:
    """Return the issue that the event tells; None where it tells that there is none any more."""
    return DRIFT.issue(event.target, "warning", event.differences) if event.differences else None
