"""Checks the holds of a campaign: what a rollback took back is held until it is released, and nothing else. Pure."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from contracts.deployment import Outcome
from contracts.recovery import ChangeApplied, RollbackFinished
from contracts.run_verbs import HoldBegan, ReleaseAnswered
from tests.chaos.judge import Images
from tests.chaos.observer import Seen
from tests.chaos.report import Report
from tests.chaos.requests import Asked
from tests.chaos.verbs import HELD_BY


def judge_holds(
    report: Report, asked: Sequence[Asked], seen: Seen, images: Images, touched: Collection[str] = ()
) -> None:
    """Add the figures and the faults of holds to a report.

    ``touched``: services to which somebody else has deployed, perhaps what is held: going back to that ends its hold.
    """
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
        if end is None or end.outcome is not Outcome.BLOCKED or HELD_BY not in end.reason:
            continue
        if images.of_run.get(request.run_id) not in held:
            report.faults.append(f"{request.id} was stopped by a hold of another version: {end.reason}")
    report.held_again = sum(request.repeats == "held" for request in asked)
    report.faults += _wrong_repeats(asked, seen, touched)
    released = Counter(hold for answer in seen.of(ReleaseAnswered) for hold in answer.released)
    report.releases = len(released)
    report.faults += [f"the release of {hold} counted {times} times" for hold, times in released.items() if times > 1]


def _wrong_repeats(asked: Sequence[Asked], seen: Seen, touched: Collection[str]) -> Iterator[str]:
    """Yield a sentence for each run that passed its hold, and for each that a hold stopped which was released."""
    changed = {event.run_id for event in seen.of(ChangeApplied)}
    blocked = {run_id: end for run_id, end in seen.ended.items() if end.outcome is Outcome.BLOCKED}
    for request in asked:
        end = blocked.get(request.run_id)
        if request.repeats == "held" and request.run_id in changed and request.target.service not in touched:
            yield f"{request.id} has changed its service, and its version was held"
        if request.repeats == "released" and end is not None and HELD_BY in end.reason:
            yield f"{request.id} was stopped by a hold that was released: {end.reason}"


def _holds(end: RollbackFinished) -> bool:
    """Whether a rollback's end holds something: it took a version back, and nobody else had decided what is to run."""
    return end.taken_back is not None and not end.untouched and end.result != "superseded"
