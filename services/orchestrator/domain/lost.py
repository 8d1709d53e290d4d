"""Runs of which nothing is known any more but their records: they end ``failed``."""

from datetime import datetime

from contracts.deployment import Cause, DeploymentFinished, Outcome
from services.orchestrator.domain.view import RunView

REASON = (
    "What Surefoot knew of this run cannot be read any more and was set aside: nobody can tell how far it came. "
    "Look at the service: it is as AWS shows it."
)


def ended(view: RunView, now: datetime) -> tuple[RunView, DeploymentFinished]:
    """Return the run as it is shown from now on, and its end as it is published."""
    seconds = (now - view.started_at).total_seconds() if view.started_at is not None else 0.0
    finished = DeploymentFinished(
        target=view.target,
        run_id=view.run_id,
        outcome=Outcome.FAILED,
        cause=Cause.ERROR,
        reason=REASON,
        seconds=seconds,
    )
    shown = view.model_copy(
        update={
            "status": "finished",
            "outcome": finished.outcome,
            "cause": finished.cause,
            "reason": finished.reason,
            "rolling_back": False,
            "seconds": seconds,
            "finished_at": now,
        }
    )
    return shown, finished
