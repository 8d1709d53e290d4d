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


ELSEWHERE = Playbook(
    "elsewhere_lost",
    "infrastructure",
    "The service could not be made in the other place that its policy names.",
    "If its region or its cluster is lost, nothing brings the service back within the time that is promised.",
    (
        "a certificate, a key, a secret or an image is not there, or not any more",
        "the snapshot names what is of its own place alone, and nothing stands for it",
    ),
    ("surefoot ready {cluster} {service}", "surefoot recreate --dry-run", "make there what is missing"),
    ("replicate what a service needs, and let the policy say what stands for what (`elsewhere`)",),
)


def issues_of(event: ReadinessChanged) -> dict[str, Issue | None]:
    """Return the issue of each kind that the event tells; None where it tells that there is none any more."""
    return {
        LOST.kind: LOST.issue(event.target, "warning", event.lost) if event.lost else None,
        EXPIRES.kind: EXPIRES.issue(event.target, "warning", event.soon) if event.soon else None,
        ELSEWHERE.kind: ELSEWHERE.issue(event.target, "warning", event.elsewhere) if event.elsewhere else None,
    }
