"""The desired count has fallen, and neither Surefoot nor whatever scales the service did it: recovery tells who."""

from contracts.diagnostics import Issue, Severity
from contracts.moves import ServiceMoved
from services.diagnostics.domain.playbook import DESCRIBE_SERVICE, SCALE, Playbook

LOWERED = Playbook(
    "desired_count_lowered",
    "infrastructure",
    "Somebody has lowered the desired count past Surefoot and past what scales the service.",
    "Fewer tasks carry the load: a tool that sets its own number stops tasks that are needed.",
    (
        "an infrastructure tool sets the count that its template has, with each apply",
        "a person has set another count",
        "a stack of CloudFormation goes back by itself",
    ),
    (
        "surefoot moved {cluster} {service}",
        DESCRIBE_SERVICE,
        SCALE,
        "let the tool ignore the count (Terraform: lifecycle ignore_changes = [desired_count]; CDK: no desiredCount)",
    ),
    ("leave the count to an autoscaler", "let infrastructure tools ignore what scales"),
)


def issue_of(event: ServiceMoved) -> Issue | None:
    """Return the issue that the event tells; None where it tells that there is none any more."""
    if event.over or not event.lowered:
        return None
    during = (f"the emergency scaling {event.scaling_id} stands",) if event.scaling_id else ()
    severity: Severity = "critical" if event.scaling_id else "warning"
    return LOWERED.issue(event.target, severity, (event.sentence, *during, *event.evidence))
