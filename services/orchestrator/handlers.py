"""Bus in, bus out: every event goes through the one decision of its target's course."""

from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from contracts.audit import Act
from contracts.base import Contract, Event, Target, caused_id, id_of
from contracts.dead_letter import DeadLetterSettled
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
from contracts.run_verbs import (
    ApprovalDecided,
    PauseRequested,
    ReleaseAnswered,
    ReleaseRequested,
    ResumeRequested,
)
from contracts.state import read_record
from contracts.topics import Party
from services._chassis.audit.acts import Audited
from services._chassis.clock import Clock, moment
from services._chassis.policies import Policies
from services._chassis.signatures import Untrusted
from services._chassis.transition import Decision, Emit, Timer, Transition, decided
from services.orchestrator.decisions import turn
from services.orchestrator.domain.approval import actor_of, is_ci, why_not_approved, why_not_decided_by
from services.orchestrator.domain.course import Course, course_key
from services.orchestrator.domain.decide import Input, ReplayedRequest, TimerFired
from services.orchestrator.domain.policy import Policy
from services.orchestrator.domain.releases import ReleaseAsked
from services.orchestrator.domain.replay import (
    ARM,
    OwnEvent,
    end_key,
    has_started,
    past_checks,
    past_checks_key,
    start_key,
)
from services.orchestrator.domain.request_name import RequestName, alias_key
from services.orchestrator.domain.requests import request_of
from services.orchestrator.domain.unreadable import name_of, refusal_of
from services.orchestrator.domain.verbs import VerbAsked, answer_key, asked_of
from services.orchestrator.domain.view import RunView, run_key
from services.orchestrator.ports import Courses


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
        """Take a request from outside, whose times are of the wall clock."""
        asked_at = moment(self._clock.at(meta.time.timestamp()))
        if event.expires_at is not None:
            expires_at = moment(self._clock.at(event.expires_at.timestamp()))
            event = event.model_copy(update={"expires_at": expires_at})
        name = RequestName(event.target, meta.source, meta.id)
        run_id = await self.run_of(name)
        why_not = self._why_not_approved(event, meta.signed_by)
        event = event.model_copy(update={"actor": actor_of(meta.signed_by, event.actor)})
        if meta.read_again and event.on_conflict != "refuse":
            # whom it has superseded before Redis was restored, that run's own events say
            event = event.model_copy(update={"on_conflict": "queue"})
        by_ci = self._is_ci(event.target, meta.signed_by)
        transition = await self.deploy(event, run_id, asked_at, by_ci=by_ci, why_not=why_not)
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

    async def deploy(
        self, event: DeployRequested, run_id: str, asked_at: datetime, *, by_ci: bool, why_not: str = ""
    ) -> Transition | None:
        """Ask for a run, unless it has ended already. ``asked_at`` is in product time.

        ``by_ci``: whether who asks has CI's role (``Request.by_ci``).
        ``why_not``: why it must not begin; one that had begun before Redis was restored goes on.
        """
        if await self._courses.record(run_key(run_id)) is not None:
            return None
        request = request_of(event, run_id, asked_at.timestamp(), by_ci=by_ci)
        end = read_record(DeploymentFinished, await self._courses.record(end_key(run_id)))
        if end is None:
            if await self._courses.record(start_key(run_id)) is not None:
                why_not = ""
                request = has_started(request)
            if await self._courses.record(past_checks_key(run_id)) is not None:
                request = past_checks(request)
            return self._turn(event.target, request, why_not=why_not)
        return self._turn(event.target, ReplayedRequest(request, end))

    async def on_unreadable_request(self, record: Any, signed_by: str, why: str) -> Transition | None:
        """Publish the end of a run whose request cannot be read, so that its sender learns that no run begins.

        The end is recorded together with its publication, so that the same id never gets another one. A run that
        exists, or existed, is not touched. Raise ``Untrusted`` where its sender may not ask for one.
        """
        name = name_of(record.headers, record.value, record.key)
        if name is None:
            return None
        self.refuse_strangers(name.target, signed_by)
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

    async def on_verb(
        self, event: PauseRequested | ResumeRequested | ApprovalDecided | AbortRequested, meta: Meta
    ) -> Transition | None:
        """Take from outside that somebody acts on a run; times are of the wall clock. What was answered is over."""
        id_ = id_of("verb", meta.source, meta.id)
        if await self._courses.record(answer_key(id_)) is not None:
            return None
        refusal = self._why_not_decide(event.target, meta.signed_by) if isinstance(event, ApprovalDecided) else ""
        actor, asked_at = actor_of(meta.signed_by, event.actor), self._clock.at(meta.time.timestamp())
        asked = asked_of(event, id_, actor, asked_at)
        return await self.ask(replace(asked, refusal=refusal), meta.time)

    async def ask(self, asked: VerbAsked, published_at: datetime | None = None) -> Transition:
        """Ask something of a run."""
        run_id = await self.known_as(asked.target, asked.run_id)
        return self._turn(asked.target, replace(asked, run_id=run_id), published_at)

    async def on_release(self, event: ReleaseRequested, meta: Meta) -> Transition | None:
        """Take from outside that somebody releases what is held. What was answered is over."""
        id_ = id_of("release", meta.source, meta.id)
        if await self._courses.record(answer_key(id_)) is not None:
            return None
        actor, refusal = actor_of(meta.signed_by, event.actor), self._why_not_decide(event.target, meta.signed_by)
        return self.release(ReleaseAsked(id_, event.target, actor, event.reason, event.hold_id, refusal))

    def release(self, asked: ReleaseAsked) -> Transition:
        """End holds of versions."""
        return self._turn(asked.target, asked)

    async def on_own_release(self, event: ReleaseAnswered, meta: Meta) -> Transition | None:
        """Know again what was released: a Redis that was restored from an older copy does not."""
        return self._turn(event.target, event) if meta.read_again else None

    async def on_event(self, event: Event, meta: Meta) -> Transition:
        """Take in an answer, an alert, or an event of another service."""
        return self._turn(event.target, event, meta.time)  # type: ignore[arg-type]  # app.py registers it for Input only

    async def on_settled(self, event: DeadLetterSettled, meta: Meta) -> Transition:
        """Record that an operator has settled a dead letter, whichever service it is of: those do not hear of it."""
        about = (f"dead letter {event.letter}", f"of {event.group}" if event.group else "", event.message)
        settled = Audited(
            Act.DEAD_LETTER_SETTLED,
            id_of("audit", meta.source, meta.id),
            event.target,
            event.reason,
            outcome=event.how,
            asked_by=event.actor,
            details=tuple(filter(None, about)),
        )
        return decided(audit=(settled,))

    async def on_timer(self, timer: Timer) -> Transition:
        """Look at a run's deadlines."""
        return self._turn(timer.payload.decode(), TimerFired(timer.id.partition(":")[2]))

    def _turn(
        self, target: Target | str, event: Input, published_at: datetime | None = None, *, why_not: str = ""
    ) -> Transition:
        target = target if isinstance(target, Target) else Target.parse(target)
        now, policy = self._clock.now(), self._policy(target)
        if why_not and not policy.refusal:
            policy = policy.model_copy(update={"refusal": why_not})
        at = published_at or moment(now)
        decide_on = partial(turn, target=target, event=event, policy=policy, now=now, published_at=at)
        return Transition(course_key(target), decide_on)

    def refuse_strangers(self, target: Target, signed_by: str) -> None:
        """Raise ``Untrusted`` where the policy names the keys that may ask, and none of them has signed.

        Nothing is answered: an end in the name of a request would keep whoever may ask from using its id.
        """
        try:
            keys = self._policies.of(target).requests.keys
        except LookupError:
            return  # nobody may act there, and the run says so
        if keys is not None and signed_by not in {f"{Party.CI}:{key}" for key in keys}:
            raise Untrusted(f"{signed_by or 'nobody'} may not ask for deployments of this service (requests.keys)")

    def _why_not_approved(self, event: DeployRequested, signed_by: str) -> str:
        try:
            return why_not_approved(self._policies.of(event.target), event, signed_by)
        except LookupError:
            return ""  # nobody may act there, and the run says so

    def _why_not_decide(self, target: Target, signed_by: str) -> str:
        try:
            return why_not_decided_by(self._policies.of(target), signed_by)
        except LookupError:
            return ""  # no run goes on there

    def _is_ci(self, target: Target, signed_by: str) -> bool:
        try:
            return is_ci(self._policies.of(target), signed_by)
        except LookupError:
            return True  # no run goes on there

    def _policy(self, target: Target) -> Policy:
        """Return what a run that begins now would keep. One that goes on is not touched by a refusal."""
        try:
            return Policy.of(self._policies.of(target), self._progress_every)
        except LookupError as error:
            return Policy(tell_every=self._progress_every, refusal=f"{error}.")
