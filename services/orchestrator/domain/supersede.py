"""A newer request takes the place of older ones: which runs give way to it, and how they end.

What an older run has changed is rolled back before the newer one begins: so the snapshot of the newer one, its way
back, is of the version that was live before both.
"""

from contracts.deployment import Cause, CheckUp, Observe, OnConflict, Outcome
from services.orchestrator.domain import endings
from services.orchestrator.domain.course import Course
from services.orchestrator.domain.effects import RunTurn
from services.orchestrator.domain.holding import before_the_change, given, wanted_of
from services.orchestrator.domain.policy import Policy
from services.orchestrator.domain.run import Run
from services.orchestrator.domain.run_parts import Request


def way_of(course: Course, request: Request, policy: Policy) -> OnConflict:
    """Return what becomes of a request while others are active or wait: as it says itself, else as the policy has it.

    What changes nothing takes nobody's place. A run that waits for its first approval before its change gives way to
    what only would have waited for it.
    """
    asked = request.on_conflict or (policy.service.requests.on_conflict if policy.service else "queue")
    if not _changes(request):
        return "refuse" if asked == "refuse" else "queue"
    run = course.active
    if request.on_conflict is None and asked == "queue" and run is not None and _waits_for_its_first_approval(run):
        return "supersede"
    return asked


def newer_than(course: Course, request: Request) -> str:
    """Return the id of a run that was asked for after the request, and that changes something; ``""`` without one."""
    known = (*((course.active.request,) if course.active else ()), *course.queue)
    newer = (other.run_id for other in known if _changes(other) and other.asked_at > request.asked_at)
    return next(newer, "")


def gives_way(run: Run) -> bool:
    """Whether the active run ends for a newer request; if not, the newer one waits for its end.

    What ends already goes on ending, and a rollback is never stopped. A person's pause is respected. A version that
    somebody else deploys stays watched. What is known to be past its checks only from before Redis was restored may
    have changed the service without an arm.
    """
    watches_others = run.observes and run.arm_was_sent
    return run.ending is None and run.pause is None and not watches_others and not run.request.past_checks


def waiting_that_give_way(course: Course) -> tuple[Request, ...]:
    """Return what waits in the queue and is ended, unstarted, by a newer request."""
    return tuple(request for request in course.queue if _changes(request) and not request.past_checks)


def end(run: Run, by: Request, now: float) -> RunTurn:
    """End a run for a newer request: ``aborted`` where it has changed nothing, else it is rolled back."""
    reason = f"Superseded by the run {by.run_id}, which {by.actor} has asked for."
    return (yield from endings.stop(run, f"superseded by the run {by.run_id}", reason, Cause.SUPERSEDED, now))


def end_unstarted(run: Run, by: str, now: float) -> RunTurn:
    """End a run that has not begun, and never will. ``by``: the newer run."""
    reason = f"Nothing was changed. It is superseded by the run {by}, which was asked for later."
    return (yield from endings.finish(run, Outcome.ABORTED, Cause.SUPERSEDED, reason, now=now))


def _changes(request: Request) -> bool:
    return not isinstance(request.change, Observe | CheckUp)


def _waits_for_its_first_approval(run: Run) -> bool:
    return wanted_of(run) is not None and before_the_change(run) and not given(run)
