"""The one decision: a course and an event in, the new course and its effects out. Pure, and total.

What is over stays over: an event of another run, a second answer, an unknown command changes nothing.
"""

from dataclasses import dataclass

from contracts.deployment import DeploymentFinished, DeploymentStarted, PhaseProgressed, PhaseStarted
from contracts.health import HealthScored
from contracts.migration import MigrationFinished
from contracts.monitor import CriticalAlert, WarningAlert
from contracts.moves import ServiceMoved
from contracts.recovery import (
    ReadinessChanged,
    RollbackDecided,
    RollbackFinished,
    RollbackStarted,
    TargetArmed,
    TargetDisarmed,
)
from contracts.results import StepFinished, StepProgressed
from contracts.run_verbs import ReleaseAnswered
from services.orchestrator.domain import (
    check_up,
    endings,
    migrating,
    moved_in,
    phases,
    proceed,
    releases,
    replay,
    requests,
    steps,
    verbs,
)
from services.orchestrator.domain.course import Course
from services.orchestrator.domain.effects import CourseTurn, Effect, RunTurn, progress
from services.orchestrator.domain.migrated import Migrated
from services.orchestrator.domain.policy import Policy
from services.orchestrator.domain.releases import ReleaseAsked
from services.orchestrator.domain.run import Run
from services.orchestrator.domain.run_parts import Request
from services.orchestrator.domain.verbs import VerbAsked


@dataclass(frozen=True, slots=True)
class TimerFired:
    """A timer of a run or of the queue has fired; the run's own deadlines say what that means."""

    run_id: str


@dataclass(frozen=True, slots=True)
class ReplayedRequest:
    """A request is replayed whose run has ended, as we have published; the state is from before that."""

    request: Request
    finished: DeploymentFinished


Input = (
    Request
    | ReplayedRequest
    | DeploymentStarted
    | PhaseStarted
    | PhaseProgressed
    | DeploymentFinished
    | StepFinished
    | StepProgressed
    | RollbackStarted
    | RollbackFinished
    | RollbackDecided
    | CriticalAlert
    | WarningAlert
    | TargetArmed
    | TargetDisarmed
    | HealthScored
    | ReadinessChanged
    | ServiceMoved
    | MigrationFinished
    | TimerFired
    | VerbAsked
    | ReleaseAsked
    | ReleaseAnswered
)


def decide(course: Course, event: Input, policy: Policy, now: float) -> tuple[Course, tuple[Effect, ...]]:
    """Return the new course and what is to happen, in order. ``now`` is product time in epoch seconds."""
    match event:
        case VerbAsked():
            turn = verbs.act(course, event, policy, now)
        case ReleaseAsked():
            turn = _release(course, event, policy, now)
        case ServiceMoved():
            turn = moved_in.after_move(course, event, policy, now)
        case RollbackFinished():
            turn = _after_rollback(course, event, policy, now)
        case MigrationFinished() | StepFinished() if _is_left(course, event):
            turn = requests.after_migration(course, event)
        case _:
            turn = _course_turn(course, event, policy, now)
    effects: list[Effect] = []
    while True:
        try:
            effects.append(next(turn))
        except StopIteration as end:
            decided: Course = end.value
            return decided, tuple(effects)


def _is_left(course: Course, event: MigrationFinished | StepFinished) -> bool:
    """Whether an event is about the migration of a run that has ended."""
    return course.migrating is not None and course.migrating.run.run_id == event.run_id


def _release(course: Course, event: ReleaseAsked, policy: Policy, now: float) -> CourseTurn:
    return (yield from moved_in.settle((yield from releases.release(course, event, policy, now)), event.target))


def _read_again(course: Course, event: DeploymentFinished | ReleaseAnswered, policy: Policy, now: float) -> CourseTurn:
    """Take in an end that this service has published itself."""
    if isinstance(event, ReleaseAnswered):
        return releases.release_again(course, event)
    return (yield from replay.finished(course, event, policy, now))


def _after_rollback(course: Course, event: RollbackFinished, policy: Policy, now: float) -> CourseTurn:
    """Take in a rollback's end: what it has taken back is held, also from a run that has not begun its change."""
    course = yield from releases.after_rollback(course, event, policy, now)
    run = course.active
    if run is not None and run.hold is not None and event.run_id != run.run_id:
        return (yield from requests.put_back(course, (yield from proceed.look(run, now)), policy, now))
    return (yield from _course_turn(course, event, policy, now))


def _course_turn(course: Course, event: Input, policy: Policy, now: float) -> CourseTurn:  # noqa: PLR0911  one for each
    run = course.active
    match event:
        case Request():
            return (yield from requests.consider(course, event, policy, now))
        case ReplayedRequest():
            return (yield from replay.unknown(course, event.request, event.finished, policy, now))
        case DeploymentStarted():
            return replay.started(course, event)
        case PhaseStarted() | PhaseProgressed():
            return replay.went_on(course, event)
        case DeploymentFinished() | ReleaseAnswered():
            return (yield from _read_again(course, event, policy, now))
        case TargetArmed() | TargetDisarmed() | HealthScored() | ReadinessChanged() | ReleaseAsked() | ServiceMoved():
            return course
        case TimerFired() if run is None:
            return (yield from requests.start_next(course, policy, now))
    if run is not None and (isinstance(event, CriticalAlert | WarningAlert) or event.run_id == run.run_id):
        return (yield from requests.put_back(course, (yield from _run_turn(run, event, now)), policy, now))
    return course


def _run_turn(run: Run, event: Input, now: float) -> RunTurn:  # noqa: PLR0911  one for each kind of event
    match event:
        case MigrationFinished():
            return run.replace(migrated=Migrated.of(event))
        case StepFinished():
            run = migrating.answered_meanwhile(run, event, now)
            answered = yield from steps.receive(run, event, now)
            return run if answered is run else (yield from _conclude(answered, now))
        case StepProgressed():
            return (yield from steps.pass_on(run, event, now))
        case RollbackStarted():
            return (yield from endings.recovery_began(run, event, now))
        case RollbackFinished():
            return (yield from endings.recovery_finished(run, event, now))
        case RollbackDecided():
            declined = event.decision == "declined"
            return (yield from progress(run, "alert", event.sentence, now)) if declined else run
        case CriticalAlert() | WarningAlert():
            kind = "Critical alert" if isinstance(event, CriticalAlert) else "Warning"
            message = f"{kind} {event.rule} {event.state}: {event.detail}"
            return (yield from progress(run, "alert", message, now))
        case TimerFired():
            if now >= run.reconcile_at:
                run = yield from steps.reconcile(run, now)
            run = yield from endings.expire(run, now)
            return run if run.outcome else (yield from _advance(run, now))
        case _:
            return run


def _conclude(run: Run, now: float) -> RunTurn:
    """Draw the consequences of an answer."""
    if run.ending is not None:
        return (yield from endings.recovery_answered(run, now))
    return (yield from _advance(run, now))


def _advance(run: Run, now: float) -> RunTurn:
    if run.hold is not None:
        return (yield from proceed.look(run, now))
    return (yield from check_up.advance(run, now) if run.checks_up else phases.advance(run, now))
