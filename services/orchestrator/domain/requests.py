"""Requests: which run may start, which waits, which is refused; and which comes next."""

from collections.abc import Generator

from contracts.base import caused_id
from contracts.deployment import (
    Cause,
    DeploymentQueued,
    DeploymentStarted,
    DeployRequested,
    ImageChange,
    Outcome,
    Phase,
    TaskDefinitionChange,
)
from contracts.migration import MigrationFinished
from contracts.overrides import why_not_override
from contracts.prose import quote
from contracts.results import StepFinished
from services.orchestrator.domain import endings, supersede
from services.orchestrator.domain.approval import LONGEST_REASON, kept_of
from services.orchestrator.domain.course import Course, Migrating
from services.orchestrator.domain.effects import CourseTurn, Effect, Ended, Publish, RunTurn
from services.orchestrator.domain.limits import LONGEST_LIFETIME, QUEUE, RECONCILE, REQUEST_LIFETIME, run_limit
from services.orchestrator.domain.migrated import Migrated
from services.orchestrator.domain.migrating import MIGRATE, goes_on
from services.orchestrator.domain.opening import begin
from services.orchestrator.domain.policy import Policy
from services.orchestrator.domain.rollout_bound import RolloutBound
from services.orchestrator.domain.run import Run
from services.orchestrator.domain.run_parts import Request


def request_of(event: DeployRequested, run_id: str, asked_at: float, *, by_ci: bool) -> Request:
    """Return what the course keeps of a request. ``asked_at`` is the event's own time, not its arrival's."""
    expires_at = event.expires_at.timestamp() if event.expires_at else asked_at + REQUEST_LIFETIME
    expires_at = min(expires_at, asked_at + LONGEST_LIFETIME)
    return Request(
        run_id=run_id,
        target=event.target,
        change=event.change,
        actor=event.actor,
        reason=quote(event.reason, LONGEST_REASON),
        overrides=kept_of(event.overrides),
        config=event.config,
        migration=event.migration,
        without_migration=event.without_migration,
        on_conflict=event.on_conflict if "on_conflict" in event.model_fields_set else None,
        by_ci=by_ci,
        asked_at=asked_at,
        expires_at=expires_at,
    )


def consider(course: Course, request: Request, policy: Policy, now: float) -> CourseTurn:
    """Start the run, let it wait, or refuse it. A run that is known already is left as it is."""
    if course.knows(request.run_id):
        return course
    no = _objection(course, request, policy, now)
    if no is not None:
        yield from _refuse(request, policy, *no, now)
        return course if course.active else course.replace(last_run_id=request.run_id)
    if _is_free(course, now):
        return course.starting((yield from _start(request, policy, now)))
    if supersede.way_of(course, request, policy) == "supersede":
        return (yield from _supersede(course, request, policy, now))
    return (yield from _queue(course, request))


def _queue(course: Course, request: Request) -> CourseTurn:
    queue = (*course.queue, request.replace(on_conflict="queue"))
    queued = DeploymentQueued(target=request.target, run_id=request.run_id, position=len(queue))
    yield Publish(queued, caused_id(request.run_id, "queued"))
    return course.replace(queue=queue)


def _supersede(course: Course, request: Request, policy: Policy, now: float) -> CourseTurn:
    """End what was asked for before; the request begins at once, or waits until what was changed is rolled back."""
    if newer := supersede.newer_than(course, request):
        yield from supersede.end_unstarted(unstarted(request, policy, now), newer, now)
        return course
    older = supersede.waiting_that_give_way(course)
    for waiting in older:
        yield from supersede.end_unstarted(unstarted(waiting, policy, now), request.run_id, now)
    course = course.replace(queue=tuple(waiting for waiting in course.queue if waiting not in older))
    run = course.active
    if run is not None:
        request = request.replace(supersedes=run.run_id)
    if run is not None and supersede.gives_way(run):
        run = yield from supersede.end(run, request, now)
        course = course.replace(active=run)
    if run is None or run.outcome is None:
        return (yield from _queue(course, request))
    course = course.replace(active=None, last_run_id=run.run_id, queue=(*course.queue, request))
    return (yield from start_next(course, policy, now))


def out_of_queue(course: Course, run_id: str) -> tuple[Course, Request | None]:
    """Return the course without the run, and what was asked for; None, and the course itself, if it does not wait."""
    waiting = next((request for request in course.queue if request.run_id == run_id), None)
    if waiting is None:
        return course, None
    return course.replace(queue=tuple(request for request in course.queue if request is not waiting)), waiting


def put_back(course: Course, run: Run, policy: Policy, now: float) -> CourseTurn:
    """Put the active run back; if it has ended, go on with the queue."""
    if run is course.active:
        return course
    if run.outcome is None:
        return course.replace(active=run)
    course = ended(course, run)
    if run.outcome is Outcome.ROLLBACK_FAILED:
        course = yield from _refuse_successor(course, run, policy, now)
    return (yield from start_next(course, policy, now))


def ended(course: Course, run: Run) -> Course:
    """Return the course whose active run has ended; a migration of its that goes on is waited for."""
    left = Migrating(run=run, until=run.stages[-1].deadline) if goes_on(run) else course.migrating
    return course.replace(active=None, last_run_id=run.run_id, migrating=left)


def after_migration(course: Course, event: MigrationFinished | StepFinished) -> CourseTurn:
    """Note how the migration of a run has ended that has ended before it; the queue's timer begins what waits for that.

    An answer is the only word of one that was refused; that it takes too long is no end.
    """
    left = course.migrating
    if left is None or left.run.run_id != event.run_id:
        return course
    if isinstance(event, MigrationFinished):
        yield Ended(left.run.replace(migrated=Migrated.of(event)))
    elif event.step != MIGRATE or event.cause is Cause.TIMEOUT:
        return course
    return course.replace(migrating=None)


def _refuse_successor(course: Course, run: Run, policy: Policy, now: float) -> CourseTurn:
    """Refuse the run for which another was to be rolled back in vain: its way back would be the superseded version."""
    for waiting in course.queue:
        if waiting.supersedes == run.run_id:
            reason = f"The run {run.run_id}, which it supersedes, could not be rolled back: look at the service first."
            yield from _refuse(waiting, policy, Cause.REFUSED, reason, now)
    return course.replace(queue=tuple(waiting for waiting in course.queue if waiting.supersedes != run.run_id))


def start_next(course: Course, policy: Policy, now: float) -> CourseTurn:
    """Start the first of the queue that is not too old, and that the policy still allows.

    Unless a run is active, or the migration of one that has ended is under way.
    """
    while course.active is None and course.queue and not course.waits_for_migration(now):
        request, *rest = course.queue
        course = course.replace(queue=tuple(rest))
        objection = _forbidden(policy) or _too_late(request, now)
        if objection is not None:
            yield from _refuse(request, policy, *objection, now)
            course = course.replace(last_run_id=request.run_id)
        else:
            course = course.starting((yield from _start(request, policy, now)))
    return course


def _objection(course: Course, request: Request, policy: Policy, now: float) -> tuple[Cause, str] | None:
    return _misuse(request, policy) or _obstacle(course, request, policy, now)


def _misuse(request: Request, policy: Policy) -> tuple[Cause, str] | None:
    if (forbidden := _forbidden(policy)) is not None:
        return forbidden
    if request.migration is not None and request.without_migration:
        return Cause.USAGE, "Name a migration, or none; not both."
    if request.migration is not None and not isinstance(request.change, ImageChange | TaskDefinitionChange):
        return Cause.USAGE, "A migration belongs to a change of the image or of the task definition."
    if (why_not := why_not_override(override.gate for override in request.overrides)) is not None:
        return Cause.USAGE, why_not
    return None


def _forbidden(policy: Policy) -> tuple[Cause, str] | None:
    return (Cause.USAGE, policy.refusal) if policy.refusal else None


def _obstacle(course: Course, request: Request, policy: Policy, now: float) -> tuple[Cause, str] | None:
    if (too_late := _too_late(request, now)) is not None:
        return too_late
    if request.has_started or _is_free(course, now):
        return None
    way = supersede.way_of(course, request, policy)
    if way == "refuse":
        return Cause.REFUSED, f"The target is busy with the run {_busy(course)}; on_conflict: queue waits for its end."
    if way == "queue" and len(course.queue) >= QUEUE:
        return Cause.REFUSED, f"{QUEUE} runs wait for the target already; ask again later."
    return None


def _is_free(course: Course, now: float) -> bool:
    """Whether a run may begin at once."""
    return course.active is None and not course.queue and not course.waits_for_migration(now)


def _busy(course: Course) -> str:
    if course.active is not None:
        return course.active.run_id
    if course.migrating is not None and not course.queue:
        return f"{course.migrating.run.run_id}, whose migration goes on"
    return course.queue[0].run_id


def _too_late(request: Request, now: float) -> tuple[Cause, str] | None:
    late = now - request.expires_at
    if late < 0 or request.has_started:
        return None
    return (
        Cause.REFUSED,
        f"The request had expired {late:.0f} seconds before its turn came; ask again if it is still wanted.",
    )


def unstarted(request: Request, policy: Policy, now: float) -> Run:
    """Return the run of a request as it is before anything was sent for it."""
    config = policy.completes(request.config)
    return Run(
        request=request.replace(config=config),
        policy=policy,
        started_at=now,
        deadline=now + run_limit(config, RolloutBound(config, None).longest),
        reconcile_at=now + RECONCILE,
        told_at=now,
    )


def _refuse(request: Request, policy: Policy, cause: Cause, reason: str, now: float) -> Generator[Effect, None, None]:
    yield from endings.finish(unstarted(request, policy, now), Outcome.BLOCKED, cause, reason, now=now)


def _start(request: Request, policy: Policy, now: float) -> RunTurn:
    run = unstarted(request, policy, now)
    started = DeploymentStarted(
        target=run.target,
        run_id=run.run_id,
        actor=request.actor,
        change=request.change,
        policy_digest=policy.digest,
        reason=request.reason,
    )
    yield Publish(started, run.id_of("started"))
    return (yield from begin(run, Phase.PRE_DEPLOYMENT_VALIDATION, now))
