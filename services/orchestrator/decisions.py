"""What is decided alike, whatever brings it up: each turn of a course, and what replaces one that cannot be read."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from contracts.base import Target, caused_id
from contracts.health import HealthScored
from contracts.recovery import Disarm
from contracts.run_verbs import ReleaseAnswered, VerbAnswered
from contracts.state import DamagedState
from services._chassis.clock import Clock, moment
from services._chassis.transition import Decision, Emit, Index, Timer
from services.orchestrator.domain.condition import Published
from services.orchestrator.domain.course import Course, target_of
from services.orchestrator.domain.decide import Input, TimerFired, decide
from services.orchestrator.domain.effects import Effect, Ended, Publish
from services.orchestrator.domain.holding import held_until
from services.orchestrator.domain.listing import SERVICES, indexes_of
from services.orchestrator.domain.lost import ended
from services.orchestrator.domain.policy import Policy
from services.orchestrator.domain.releases import ReleaseAsked
from services.orchestrator.domain.replay import OWN_EVENTS, OwnEvent
from services.orchestrator.domain.run import Run
from services.orchestrator.domain.verbs import VerbAsked, answer_key
from services.orchestrator.domain.view import RunView, run_key, view_of_run, views
from services.orchestrator.ports import History

WAKES = ("phase", "run", "reconcile")
"""The kinds of timers that a run has, each under ``<kind>:<run_id>``."""
MOST_RUNS = 200_000
"""The most runs that one index holds; each run is kept for a month."""
MOST_SERVICES = 10_000
"""The most targets that the overview knows besides those that the policy lists."""
QUEUE = "queue"
"""The kind of the timer that a queue without an active run has."""


def turn(
    state: bytes | None, target: Target, event: Input, policy: Policy, now: float, published_at: datetime
) -> Decision:
    """Decide on stored state: what was decided, with its timers and its records."""
    before = Course.from_bytes(state)
    after, effects = decide(_noted(before, event, published_at), event, policy, now)
    if after is before and not effects and not isinstance(event, TimerFired | OwnEvent):
        # read again after a restoration, an answer may come before its question
        return Decision(ignore_once=True)
    shown = _shown(before, after, effects, now)
    records = {run_key(run_id): view.model_dump_json().encode() for run_id, view in shown.items()}
    if isinstance(event, OwnEvent) and not before.knows(event.run_id):
        records[OWN_EVENTS[type(event)](event.run_id)] = event.model_dump_json().encode()
    if isinstance(event, VerbAsked | ReleaseAsked):
        records |= _answered(event, effects)
    return Decision(
        state=None if after is before else after.to_bytes(),
        expires=after.is_idle,
        unmarked=isinstance(event, HealthScored),
        emit=tuple(Emit(effect.event, effect.id) for effect in effects if isinstance(effect, Publish)),
        timers=_timers(after.active) + _queue_timer(after, now) if after is not before else (),
        cancel_timers=_cancelled(before, after),
        records=records,
        indexes=(Index(SERVICES, str(target), now, keep=MOST_SERVICES), *_lines(before, shown.values())),
    )


def _answered(asked: VerbAsked | ReleaseAsked, effects: Iterable[Effect]) -> dict[str, bytes]:
    """Return the record of the answer to a request: the same request has the same one."""
    events = [effect.event for effect in effects if isinstance(effect, Publish)]
    answers = (event for event in events if isinstance(event, VerbAnswered | ReleaseAnswered))
    return {answer_key(asked.id): answer.model_dump_json().encode() for answer in answers}


def _noted(course: Course, event: Input, published_at: datetime) -> Course:
    """Return the course with what another service has published about the target."""
    if not isinstance(event, Published):
        return course
    condition = course.condition.after(event, published_at)
    return course if condition == course.condition else course.replace(condition=condition)


def _timers(run: Run | None) -> tuple[Timer, ...]:
    """Return a run's timers: they follow from its state, so that each decision mends what was lost."""
    if run is None:
        return ()
    due = {"reconcile": run.reconcile_at}
    if run.ending is not None:
        due["phase"] = run.ending.deadline
    elif run.hold is not None:
        due["phase"] = held_until(run)
    elif run.stage is not None:
        due |= {"phase": run.stage.deadline, "run": run.deadline}
    payload = str(run.target).encode()
    return tuple(Timer(f"{kind}:{run.run_id}", kind, when, payload) for kind, when in due.items())


def _queue_timer(course: Course, now: float) -> tuple[Timer, ...]:
    """Return the timer by which a queue goes on that no run's end moves."""
    if course.active is not None or not course.queue:
        return ()
    target = str(course.queue[0].target)
    due = course.migrating.until if course.migrating is not None and course.waits_for_migration(now) else now
    return (Timer(f"{QUEUE}:{target}", QUEUE, due, target.encode()),)


def _cancelled(before: Course, after: Course) -> tuple[str, ...]:
    """Return the timers that the run which was active does not have any more."""
    if before.active is None or after is before:
        return ()
    kept = {timer.id for timer in _timers(after.active)}
    return tuple(id_ for kind in WAKES if (id_ := f"{kind}:{before.active.run_id}") not in kept)


def _shown(before: Course, after: Course, effects: tuple[Effect, ...], now: float) -> dict[str, RunView]:
    """Return the runs that are others now to those who look at them."""
    waits_alike = (after.queue, after.migrating) == (before.queue, before.migrating)
    same = {request.run_id for request in after.queue} if waits_alike else set()
    if after.active is not None and after.active is before.active:
        same.add(after.active.run_id)
    shown = {run_id: view for run_id, view in views(after, now).items() if run_id not in same}
    shown |= {effect.run.run_id: view_of_run(effect.run, now) for effect in effects if isinstance(effect, Ended)}
    return shown


def _lines(before: Course, shown: Iterable[RunView]) -> Iterator[Index]:
    """Yield a run's lines in the lists when it is asked for, and when it has ended: they change only then."""
    known = {request.run_id for request in before.queue} | ({before.active.run_id} if before.active else set())
    for view in shown:
        if view.run_id not in known or view.outcome is not None:
            yield from _lines_of(view)


def _lines_of(view: RunView) -> Iterator[Index]:
    if view.asked_at is not None:
        at = view.asked_at.timestamp()
        yield from (Index(name, view.run_id, at, keep=MOST_RUNS) for name in indexes_of(view))


async def replace_course(history: History, clock: Clock, key: str, _: DamagedState) -> Decision:
    """End the target's runs ``failed``, disarm recovery, and begin an empty course: AWS shows what there is."""
    target, now = target_of(key), moment(clock.now())
    runs = await history.unfinished(target)
    ends = [ended(view, now) for view in runs]
    begun = [view.run_id for view in runs if view.status == "running"]
    return Decision(
        state=Course(last_run_id=next(iter(begun), None)).to_bytes(),
        expires=True,
        emit=(
            *(Emit(finished, caused_id(finished.run_id, "finished")) for _, finished in ends),
            *(_disarm(target, run_id) for run_id in begun),
        ),
        cancel_timers=tuple(f"{kind}:{run_id}" for run_id in begun for kind in WAKES),
        records={run_key(shown.run_id): shown.model_dump_json().encode() for shown, _ in ends},
        indexes=tuple(index for shown, _ in ends for index in _lines_of(shown)),
    )


def _disarm(target: Target, run_id: str) -> Emit:
    return Emit(Disarm(target=target, run_id=run_id), caused_id(run_id, "lost:disarm"))
