"""Bus in, bus out: every event goes through the one decision of its target's course."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from contracts.base import Contract, Event, Target, caused_id
from contracts.deployment import (
    AbortRequested,
    DeploymentFinished,
    DeploymentStarted,
    DeployRequested,
    Phase,
    PhaseProgressed,
    PhaseStarted,
)
from contracts.envelope import Meta
from contracts.health import HealthScored
from contracts.state import read_record
from contracts.topics import Party
from services._chassis.clock import Clock, moment
from services._chassis.policies import Policies
from services._chassis.signatures import Untrusted
from services._chassis.transition import Decision, Emit, Index, Timer, Transition
from services.orchestrator.domain.condition import Published
from services.orchestrator.domain.course import Course, course_key
from services.orchestrator.domain.decide import Input, ReplayedRequest, TimerFired, decide
from services.orchestrator.domain.effects import Effect, Ended, Publish
from services.orchestrator.domain.listing import SERVICES, indexes_of
from services.orchestrator.domain.policy import Policy
from services.orchestrator.domain.replay import ARM, past_checks, with_time_left
from services.orchestrator.domain.request_name import RequestName, alias_key
from services.orchestrator.domain.requests import request_of
from services.orchestrator.domain.run import Run
from services.orchestrator.domain.unreadable import name_of, refusal_of
from services.orchestrator.domain.view import RunView, run_key, view_of_run, views
from services.orchestrator.ports import Courses

WAKES = ("phase", "run", "reconcile")
"""The kinds of timers that a run has, each under ``<kind>:<run_id>``."""
MOST_RUNS = 200_000
"""The most runs that one index holds; each run is kept for a month."""
MOST_SERVICES = 10_000
"""The most targets that the overview knows besides those that the policy lists."""
QUEUE = "queue"
"""The kind of the timer that a queue without an active run has."""


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


class About(Contract):
    """What all records of a run have: whose run it is."""

    target: Target


class Handlers:
    """Events and timers to transitions."""

    def __init__(self, courses: Courses, clock: Clock, policies: Policies, progress_every: float) -> None:
        self._courses = courses
        self._clock = clock
        self._policies = policies
        self._progress_every = progress_every

    async def on_request(self, event: DeployRequested, meta: Meta) -> Transition | None:
        """Take a request from outside, whose times are of the wall clock. Raise ``Untrusted``."""
        self._refuse_strangers(event.target, meta)
        asked_at = moment(self._clock.at(meta.time.timestamp()))
        if event.expires_at is not None:
            expires_at = moment(self._clock.at(event.expires_at.timestamp()))
            event = event.model_copy(update={"expires_at": expires_at})
        name = RequestName(event.target, meta.source, meta.id)
        run_id = await self.run_of(name)
        transition = await self.deploy(event, run_id, asked_at)
        return transition and await self._with_alias(transition, name, run_id)

    async def run_of(self, name: RequestName) -> str:
        """Return the id of the request's run: the one of the version before, if that version has begun it."""
        for key in (run_key, end_key, start_key, past_checks_key):
            known = read_record(About, await self._courses.record(key(name.run_id_before)))
            if known is not None and known.target == name.target:
                return name.run_id_before
        return name.run_id

    async def known_as(self, target: Target, run_id: str) -> str:
        """Return the id of the target's run that somebody calls ``run_id``, perhaps by the formula of before."""
        alias = await self._courses.record(alias_key(target, run_id))
        return alias.decode() if alias is not None else run_id

    async def _with_alias(self, transition: Transition, name: RequestName, run_id: str) -> Transition:
        """Have the run be found under its id of before. The first run keeps it, where two would have had the same."""
        key = alias_key(name.target, name.run_id_before)
        if run_id == name.run_id_before or await self._courses.record(key) is not None:
            return transition

        def decide(state: bytes | None) -> Decision:
            decision = transition.decide(state)
            alias = {} if decision.ignore_once else {key: run_id.encode()}
            return replace(decision, records={**decision.records, **alias})

        return Transition(transition.key, decide)

    async def deploy(self, event: DeployRequested, run_id: str, asked_at: datetime) -> Transition | None:
        """Ask for a run, unless it has ended already. ``asked_at`` is in product time."""
        if await self._courses.record(run_key(run_id)) is not None:
            return None
        request = request_of(event, run_id, asked_at.timestamp())
        end = read_record(DeploymentFinished, await self._courses.record(end_key(run_id)))
        if end is None:
            if await self._courses.record(start_key(run_id)) is not None:
                request = with_time_left(request, self._clock.now())
            if await self._courses.record(past_checks_key(run_id)) is not None:
                request = past_checks(request)
            return self._turn(event.target, request)
        return self._turn(event.target, ReplayedRequest(request, end))

    async def on_unreadable_request(self, record: Any, why: str) -> Transition | None:
        """Publish the end of a run whose request cannot be read, so that its sender learns that no run begins.

        The end is recorded together with its publication, so that the same id never gets another one. A run that
        exists, or existed, is not touched.
        """
        name = name_of(record.headers, record.value, record.key)
        if name is None:
            return None
        refusal = refusal_of(name.target, await self.run_of(name), why)
        for key in (run_key, end_key, start_key):
            if await self._courses.record(key(refusal.run_id)) is not None:
                return None

        def decide(state: bytes | None) -> Decision:
            if Course.from_bytes(state).knows(refusal.run_id):
                return Decision()
            published = Emit(refusal, caused_id(refusal.run_id, "finished"))
            return Decision(emit=(published,), records={end_key(refusal.run_id): refusal.model_dump_json().encode()})

        return Transition(course_key(refusal.target), decide)

    async def on_own_event(self, event: OwnEvent, meta: Meta) -> Transition | None:
        """Take in what this service published before: a Redis that was restored from an older copy does not know it.

        At any other time the state knows better, and whatever comes in this service's name changes nothing.
        """
        if not meta.read_again:
            return None
        if isinstance(event, PhaseStarted) and event.phase is not Phase.DEPLOYMENT_MONITORING:
            return None
        if isinstance(event, PhaseProgressed) and event.step != ARM:
            return None
        record = await self._courses.record(run_key(event.run_id))
        view = read_record(RunView, record)
        status = view.status if view is not None else ""
        if status == "finished" or (status == "running" and isinstance(event, DeploymentStarted)):
            return None
        return self._turn(event.target, event)

    async def on_abort(self, event: AbortRequested, meta: Meta) -> Transition:
        """Take an abort from outside. Raise ``Untrusted``."""
        self._refuse_strangers(event.target, meta)
        run_id = await self.known_as(event.target, event.run_id)
        return await self.on_event(event.model_copy(update={"run_id": run_id}), meta)

    async def on_event(self, event: Event, meta: Meta) -> Transition:
        """Take in an abort, an answer, an alert, or an event of another service."""
        return self._turn(event.target, event, meta.time)  # type: ignore[arg-type]  # app.py registers it for Input only

    async def on_timer(self, timer: Timer) -> Transition:
        """Look at a run's deadlines."""
        return self._turn(timer.payload.decode(), TimerFired(timer.id.partition(":")[2]))

    def _turn(self, target: Target | str, event: Input, published_at: datetime | None = None) -> Transition:
        target = target if isinstance(target, Target) else Target.parse(target)
        now, policy = self._clock.now(), self._policy(target)
        at = published_at or moment(now)
        decide_on = partial(turn, target=target, event=event, policy=policy, now=now, published_at=at)
        return Transition(course_key(target), decide_on)

    def _refuse_strangers(self, target: Target, meta: Meta) -> None:
        """Raise ``Untrusted`` where the policy names the keys that may ask, and none of them has signed.

        Nothing is answered: an end in the name of a request would keep whoever may ask from using its id.
        """
        try:
            keys = self._policies.of(target).requests.keys
        except LookupError:
            return  # nobody may act there, and the run says so
        if keys is not None and meta.signed_by not in {f"{Party.CI}:{key}" for key in keys}:
            raise Untrusted(f"{meta.signed_by or 'nobody'} may not ask for deployments of this service (requests.keys)")

    def _policy(self, target: Target) -> Policy:
        """Return what a run that begins now would keep. One that goes on is not touched by a refusal."""
        try:
            return Policy.of(self._policies.of(target), self._progress_every)
        except LookupError as error:
            return Policy(tell_every=self._progress_every, refusal=f"{error}.")


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
    return Decision(
        state=None if after is before else after.to_bytes(),
        expires=after.active is None and not after.queue,
        unmarked=isinstance(event, HealthScored),
        emit=tuple(Emit(effect.event, effect.id) for effect in effects if isinstance(effect, Publish)),
        timers=_timers(after.active) + _queue_timer(after, now) if after is not before else (),
        cancel_timers=_cancelled(before, after),
        records=records,
        indexes=(Index(SERVICES, str(target), now, keep=MOST_SERVICES), *_indexes(before, shown.values())),
    )


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
    elif run.stage is not None:
        due |= {"phase": run.stage.deadline, "run": run.deadline}
    payload = str(run.target).encode()
    return tuple(Timer(f"{kind}:{run.run_id}", kind, when, payload) for kind, when in due.items())


def _queue_timer(course: Course, now: float) -> tuple[Timer, ...]:
    """Return the timer by which a queue goes on that no run's end moves."""
    if course.active is not None or not course.queue:
        return ()
    target = str(course.queue[0].target)
    return (Timer(f"{QUEUE}:{target}", QUEUE, now, target.encode()),)


def _cancelled(before: Course, after: Course) -> tuple[str, ...]:
    """Return the timers that the run which was active does not have any more."""
    if before.active is None or after is before:
        return ()
    kept = {timer.id for timer in _timers(after.active)}
    return tuple(id_ for kind in WAKES if (id_ := f"{kind}:{before.active.run_id}") not in kept)


def _shown(before: Course, after: Course, effects: tuple[Effect, ...], now: float) -> dict[str, RunView]:
    """Return the runs that are others now to those who look at them."""
    same = {request.run_id for request in after.queue} if after.queue == before.queue else set()
    if after.active is not None and after.active is before.active:
        same.add(after.active.run_id)
    shown = {run_id: view for run_id, view in views(after, now).items() if run_id not in same}
    shown |= {effect.run.run_id: view_of_run(effect.run, now) for effect in effects if isinstance(effect, Ended)}
    return shown


def _indexes(before: Course, shown: Iterable[RunView]) -> Iterator[Index]:
    """A run's lines change when it is asked for, and when it has ended."""
    known = {request.run_id for request in before.queue} | ({before.active.run_id} if before.active else set())
    for view in shown:
        if view.asked_at is not None and (view.run_id not in known or view.outcome is not None):
            at = view.asked_at.timestamp()
            yield from (Index(name, view.run_id, at, keep=MOST_RUNS) for name in indexes_of(view))
