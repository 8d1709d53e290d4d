"""An ``evaluate-rules`` that waits for its evidence."""

from contracts.base import Contract
from contracts.results import ProbesOutput


class PendingEvaluation(Contract):
    """All times are product time, epoch seconds."""

    command_id: str
    run_id: str
    since: float
    """The time of the change."""
    not_before: float | None = None
    """No rule passes before it."""
    asked_at: float | None = None
    """When the new version had taken over, and the evaluation was asked for; None in a state of the previous version:
    at the change."""
    deadline: float
    probes: ProbesOutput | None = None
    task_definition: str | None = None
    """The task definition (ARN) that has to stay live; None: nobody says which, also in an older state."""
