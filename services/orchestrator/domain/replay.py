"""Replaying our own events, after Redis was restored from a copy that is older than they are (ADR 7).

What this service has published stays true: a run that was published as ended does not end again, one that was
published as started does not expire in the queue, and one whose change may be live does not end as if nothing had been
changed.
"""

from contracts.catalogue import entry_of
from contracts.deployment import DeploymentFinished, DeploymentStarted, Phase, PhaseProgressed, PhaseStarted
from contracts.gates import Verdict
from contracts.recovery import Arm
from services.orchestrator.domain import endings
from services.orchestrator.domain.course import Course
from services.orchestrator.domain.effects import CourseTurn
from services.orchestrator.domain.policy import Policy
from services.orchestrator.domain.requests import ended, out_of_queue, unstarted
from services.orchestrator.domain.run_parts import Request

ARM = entry_of(Arm).name


def end_key(run_id: str) -> str:
    """Return the key of a ``deployment-finished`` of ours that was replayed and that the state did not contain."""
    return f"end:{run_id}"


def start_key(run_id: str) -> str:
    """Return the key of a ``deployment-started`` of ours that was replayed and that the state did not contain."""
    return f"start:{run_id}"


def past_checks_key(run_id: str) -> str:
    """Return the key of a ``phase-started`` of ours that was replayed before its run was known."""
    return f"past-checks:{run_id}"


OWN_EVENTS = {
    DeploymentStarted: start_key,
    PhaseStarted: past_checks_key,
    PhaseProgressed: past_checks_key,
    DeploymentFinished: end_key,
}
"""The key under which each kind of our own events is kept for a request that is replayed after it."""
OwnEvent = DeploymentStarted | PhaseStarted | PhaseProgressed | DeploymentFinished


def has_started(request: Request) -> Request:
    """Mark the request of a run that is known to have started, however long ago it was asked for."""
    return request.replace(has_started=True)


def started(course: Course, event: DeploymentStarted) -> Course:
    """Keep a run in the queue that has started already, however long it waits for its turn again."""
    if all(request.run_id != event.run_id for request in course.queue):
        return course
    queue = (has_started(request) if request.run_id == event.run_id else request for request in course.queue)
    return course.replace(queue=tuple(queue))


def went_on(course: Course, event: PhaseStarted | PhaseProgressed) -> Course:
    """Keep in mind how far a run had got, where that decides whether its change may be live."""
    return phase_started(course, event) if isinstance(event, PhaseStarted) else arm_answered(course, event)


def phase_started(course: Course, event: PhaseStarted) -> Course:
    """Keep in mind that a run has passed its first phase, while the restored state is still in it, or before it."""
    if event.phase is not Phase.DEPLOYMENT_MONITORING:
        return course
    run = course.active
    if run is not None and run.run_id == event.run_id:
        known = run.request.past_checks or run.phase is not Phase.PRE_DEPLOYMENT_VALIDATION
        return course if known else course.replace(active=run.replace(request=past_checks(run.request)))
    if all(request.run_id != event.run_id for request in course.queue):
        return course
    queue = (past_checks(request) if request.run_id == event.run_id else request for request in course.queue)
    return course.replace(queue=tuple(queue))


def arm_answered(course: Course, event: PhaseProgressed) -> Course:
    """Keep in mind that recovery stood ready, while the restored state still waits for that: the change may be live."""
    run = course.active
    passed = event.step == ARM and event.verdict is Verdict.PASS
    if run is None or run.run_id != event.run_id or not passed:
        return course
    known = run.request.past_checks or any(step.name == ARM and step.answer is not None for step in run.steps)
    return course if known else course.replace(active=run.replace(request=past_checks(run.request)))


def past_checks(request: Request) -> Request:
    """Mark the request of a run that is known to have passed its first phase."""
    return request.replace(past_checks=True)


def finished(course: Course, event: DeploymentFinished, policy: Policy, now: float) -> CourseTurn:
    """Take the published end of a run that the restored state has not ended yet.

    What waits behind it may have ended, too: the queue goes on only when all events of ours are read again.
    """
    if course.active is not None and course.active.run_id == event.run_id:
        return ended(course, (yield from endings.take_end(course.active, event)))
    course, waiting = out_of_queue(course, event.run_id)
    return course if waiting is None else (yield from unknown(course, waiting, event, policy, now))


def unknown(course: Course, request: Request, event: DeploymentFinished, policy: Policy, now: float) -> CourseTurn:
    """Keep a run of which only the request and the published end are known."""
    yield from endings.take_end(unstarted(request, policy, now), event)
    return course
