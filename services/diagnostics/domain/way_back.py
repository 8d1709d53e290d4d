"""One cannot go back to what was proven: recovery looks what it needs, and tells what is missing."""

from contracts.diagnostics import Issue
from contracts.recovery import ReadinessChanged
from services.diagnostics.domain.playbook import Playbook

LOST = Playbook(
    "way_back_lost",
    "infrastructure",
    "One cannot go back to the last good version, or to the one before it.",
    "If the next deployment fails, or if tasks have to be replaced, nothing brings the service back.",
    (
        "an image was deleted by a rule of its repository or by hand",
        "a role, a secret, a subnet or a target group was deleted",
        "a quota of the account or the free addresses of its subnets are used up",
    ),
    (
        "surefoot ready {cluster} {service}",
        "GET /api/v1/disaster-recovery/readiness/{cluster}/{service}",
        "make again what is missing, or deploy a version that needs none of it",
    ),
    ("keep the images of the last versions", "delete what a version needs only once nobody would go back to it"),
)


EXPIRES = Playbook(
    "way_back_expires",
    "infrastructure",
    "One cannot go back to the last good version, or to the one before it, before long.",
    "A rule of its repository deletes the image: then nothing brings the version back, and no task of it starts.",
    ("a lifecycle policy of ECR counts days or images, and does not know which one is needed",),
    (
        "surefoot ready {cluster} {service}",
        "push the image again under a tag that the rule does not select, or change the rule",
    ),
    ("keep the images of the last versions by a rule of their own, with the lowest priority number",),
)


def issues_of(event: ReadinessChanged) -> dict[str, Issue | None]:
    """Return the issue of each kind that the event tells; None where it tells that there is none any more."""
    return {
        LOST.kind: LOST.issue(event.target, "warning", event.lost) if event.lost else None,
        EXPIRES.kind: EXPIRES.issue(event.target, "warning", event.soon) if event.soon else None,
    }
