"""Checks the holds of a campaign: what a rollback took back is held, and no hold stops another version. Pure."""

from collections.abc import Sequence

from contracts.deployment import Outcome
from contracts.recovery import RollbackFinished
from contracts.run_verbs import HoldBegan
from tests.chaos.judge import Images, Report
from tests.chaos.observer import Seen
from tests.chaos.requests import Asked

RELEASE = "`surefoot release"
"""What the reason of a blocked run that a hold has stopped tells its reader to do."""


def judge_holds(report: Report, asked: Sequence[Asked], seen: Seen, images: Images) -> None:
    """Add the figure and the faults of holds to a report."""
    holds = {hold.hold_id: hold for hold in seen.of(HoldBegan)}
    report.holds = len(holds)
    gave_way = {request.run_id for request in asked if request.superseded}
    report.faults += sorted(
        f"what {end.rollback_id} took back is not held"
        for end in seen.of(RollbackFinished)
        if _holds(end) and end.run_id not in gave_way and end.rollback_id not in holds
    )
    held = {digest for hold in holds.values() for digest in hold.version.images.values()}
    for request in asked:
        end = seen.ended.get(request.run_id)
        if end is None or end.outcome is not Outcome.BLOCKED or RELEASE not in end.reason:
            continue
        if images.of_run.get(request.run_id) not in held:
            report.faults.append(f"{request.id} was stopped by a hold of another version: {end.reason}")


def _holds(end: RollbackFinished) -> bool:
    """Whether a rollback's end holds something: it took a version back, and nobody else had decided what is to run."""
    return end.taken_back is not None and not end.untouched and end.result != "superseded"
