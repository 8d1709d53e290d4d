"""An infrastructure tool still names what a rollback has taken back: its next run brings it in again."""

from contracts.diagnostics import Issue
from contracts.moves import ServiceMoved
from services.diagnostics.domain.playbook import Playbook

NAMED = Playbook(
    "taken_back_still_named",
    "infrastructure",
    "An infrastructure tool still names the version that a rollback has taken back.",
    "Its next run, whatever it is run for, brings that version in again.",
    (
        "a rollback changes the service and no code: the tool's code names what was deployed before",
        "the tool takes what runs now for drift, and undoes it",
    ),
    (
        "put the image of the version that runs now into the tool's code, and run the tool",
        "surefoot moved {cluster} {service}",
        "until then let nobody run it for this service",
    ),
    (
        "deploy by one tool alone",
        "let the infrastructure tool ignore the version (Terraform: lifecycle ignore_changes = [task_definition])",
    ),
)


def issue_of(event: ServiceMoved) -> Issue | None:
    """Return the issue that the event tells; None where it tells that there is none any more."""
    if event.over:
        return None
    return NAMED.issue(event.target, "warning", (event.still_named, *event.evidence))
