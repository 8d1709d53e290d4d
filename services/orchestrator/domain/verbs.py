"""What people ask of a run: pause, resume, approve, reject, abort. Each has an answer in every state."""

from dataclasses import dataclass, replace

from contracts.base import Target, caused_id
from contracts.deployment import AbortRequested, Cause, Outcome
from contracts.persons import may_be_same, person_of
from contracts.policy_holds import Pause as PausePolicy
from contracts.prose import quote
from contracts.run_verbs import ApprovalDecided, PauseRequested, ResumeRequested, Verb, VerbAnswered
from services.orchestrator.domain import endings
from services.orchestrator.domain.approval import LONGEST_REASON
from services.orchestrator.domain.course import Course
from services.orchestrator.domain.effects import CourseTurn, Publish, RunTurn, progress
from services.orchestrator.domain.hold import Approved, Pause
from services.orchestrator.domain.holding import (
    HOLD,
    Wanted,
    approval_of,
    before_the_change,
    given,
    lacking,
    publish_hold,
    stand_ready,
    wanted_of,
    why_held,
)
from services.orchestrator.domain.limits import MINUTE, moment
from services.orchestrator.domain.policy import Policy
from services.orchestrator.domain.proceed import look
from services.orchestrator.domain.requests import out_of_queue, put_back, unstarted
from services.orchestrator.domain.run import Run


@dataclass(frozen=True, slots=True)
class VerbAsked:
    """A person asks something of a run."""

    id: str
    """The request's: the id of its answer derives from it."""
    target: Target
    run_id: str
    verb: Verb
    actor: str
    reason: str
    asked_at: float
    minutes: float | None = None
    """How long a pause lasts; None: as the policy has it."""
    plan: str = ""
    """The digest of what was shown before an approval or a rejection."""
    refusal: str = ""
    """Why whoever asks may not, as a sentence; empty where nothing is known against it."""


def asked_of(
    event: PauseRequested | ResumeRequested | ApprovalDecided | AbortRequested, id_: str, actor: str, asked_at: float
) -> VerbAsked:
    """Return what a message asks for. ``actor`` is who has proven to ask."""
    asked = VerbAsked(id_, event.target, event.run_id, Verb.RESUME, actor, event.reason, asked_at)
    match event:
        case PauseRequested():
            return replace(asked, verb=Verb.PAUSE, minutes=event.minutes)
        case ApprovalDecided():
            return replace(asked, verb=Verb(event.decision), plan=event.plan)
        case AbortRequested():
            return replace(asked, verb=Verb.ABORT)
    return asked


def answer_key(id_: str) -> str:
    """Return the key of the record of the answer to a request."""
    return f"answer:{id_}"


def act(course: Course, asked: VerbAsked, policy: Policy, now: float) -> CourseTurn:
    """Do what was asked, and answer. What cannot be done changes nothing, and the answer says why."""
    run = course.active
    if run is None or run.run_id != asked.run_id:
        return (yield from _ask_elsewhere(course, asked, policy, now))
    why_not = asked.refusal or _why_not(run, asked, now)
    if why_not:
        yield _answer(asked, why_not, accepted=False)
        return course
    match asked.verb:
        case Verb.PAUSE:
            run = yield from _pause(run, asked, now)
        case Verb.RESUME:
            run = yield from _resume(run, asked, now)
        case Verb.APPROVE:
            run = yield from _approve(run, asked, now)
        case Verb.REJECT:
            run = yield from _reject(run, asked, now)
        case Verb.ABORT:
            yield _answer(asked, "Aborted: the run ends.", accepted=True)
            run = yield from _abort(run, asked, now)
    return (yield from put_back(course, run, policy, now))


def _answer(asked: VerbAsked, sentence: str, *, accepted: bool) -> Publish:
    event = VerbAnswered(
        target=asked.target,
        run_id=asked.run_id,
        verb=asked.verb,
        accepted=accepted,
        actor=asked.actor,
        reason=quote(asked.reason, LONGEST_REASON),
        sentence=sentence,
    )
    return Publish(event, caused_id(asked.id, "answered"))


def _ask_elsewhere(course: Course, asked: VerbAsked, policy: Policy, now: float) -> CourseTurn:
    """Ask something of a run that is not the active one: it can be taken out of the queue, and nothing else."""
    rest, waiting = out_of_queue(course, asked.run_id)
    if waiting is None:
        sentence = "The run does not go on: it has ended, or there was none of this id."
        yield _answer(asked, sentence, accepted=False)
        return course
    if asked.verb is not Verb.ABORT:
        sentence = "The run waits in the queue, and nothing of it has begun: `surefoot abort` takes it out."
        yield _answer(asked, sentence, accepted=False)
        return course
    yield _answer(asked, "Aborted: the run is taken out of the queue.", accepted=True)
    yield from _abort(unstarted(waiting, policy, now), asked, now)
    return rest


def _why_not(run: Run, asked: VerbAsked, now: float) -> str:
    if run.ending is not None:
        return "The run ends already, and nothing holds that: an end or a rollback waits for nobody."
    match asked.verb:
        case Verb.PAUSE:
            return _why_not_pause(run, asked, now)
        case Verb.RESUME:
            return "" if run.pause is not None and now < run.pause.until else "The run is not paused."
        case Verb.ABORT:
            return ""
    return _why_not_decide(run, asked)


def _until(run: Run, asked: VerbAsked) -> float:
    """Return until when a pause would last. Without a service's own policy the defaults hold."""
    limits = _limits(run)
    minutes = min(limits.default_minutes, limits.maximum_minutes) if asked.minutes is None else asked.minutes
    return asked.asked_at + minutes * MINUTE


def _why_not_pause(run: Run, asked: VerbAsked, now: float) -> str:
    longest = _limits(run).maximum_minutes
    if longest <= 0:
        return "No run of this service can be paused: the policy's pause.maximum_minutes is 0."
    if asked.minutes is not None and asked.minutes > longest:
        return f"A pause takes at most {longest:g} minutes here (the policy's pause.maximum_minutes)."
    if run.pause is not None and now < run.pause.until:
        return f"The run is paused already by {run.pause.actor} until {moment(run.pause.until):%H:%M} UTC."
    if _until(run, asked) <= now:
        return "The request came so late that its pause would be over already."
    return ""


def _why_not_decide(run: Run, asked: VerbAsked) -> str:
    """Return why no approval or rejection counts now, or not this one."""
    wanted = wanted_of(run)
    if wanted is None:
        return "The run does not wait for an approval. `surefoot abort` ends it."
    if asked.plan != wanted.plan:
        return "What was shown is not what the run waits with: look at its status again, and decide on that."
    if wanted.approvers and person_of(asked.actor) not in wanted.approvers:
        return f"{asked.actor} is none of those whose approval the policy wants: {', '.join(wanted.approvers)}."
    return "" if asked.verb is Verb.REJECT else _why_not_count(run, wanted, asked.actor)


def _why_not_count(run: Run, wanted: Wanted, actor: str) -> str:
    if may_be_same(actor, run.request.actor) and not approval_of(run, wanted.gate).requester_may_approve:
        return "Whoever has asked for a run does not approve it here (the policy's requester_may_approve)."
    if person_of(actor) in map(person_of, wanted.given):
        return f"{actor} has approved this already, which counts once."
    return ""


def _pause(run: Run, asked: VerbAsked, now: float) -> RunTurn:
    pause = Pause(actor=asked.actor, reason=quote(asked.reason, LONGEST_REASON), until=_until(run, asked))
    run = run.replace(pause=pause)
    until = f"{moment(pause.until):%H:%M} UTC"
    if run.hold is None:
        sentence = f"Paused until {until}: what goes on ends first. Rollbacks and the watch over the change go on."
        yield _answer(asked, sentence, accepted=True)
        return (yield from progress(run, HOLD, f"{why_held(run)}, once this phase has ended.", now))
    yield _answer(asked, f"Paused until {until}. Rollbacks and the watch over the change go on.", accepted=True)
    run = yield from stand_ready(run, now)
    return (yield from publish_hold(run, now))


def _resume(run: Run, asked: VerbAsked, now: float) -> RunTurn:
    run = run.replace(pause=None)
    waits = f" {why_held(run)}." if lacking(run) else ""
    yield _answer(asked, f"Resumed.{waits}", accepted=True)
    run = yield from progress(run, HOLD, f"Resumed by {asked.actor}.{waits}", now)
    return (yield from look(run, now))


def _approve(run: Run, asked: VerbAsked, now: float) -> RunTurn:
    hold = run.hold
    if hold is None or hold.gate is None:
        return run
    approved = Approved(gate=hold.gate, plan=hold.plan, actor=asked.actor)
    current = (other for other in run.approvals if other.gate != hold.gate or other.plan == hold.plan)
    run = run.replace(approvals=(*current, approved))
    needed, missing = approval_of(run, hold.gate).needed, lacking(run)
    yield _answer(asked, f"Approved: {needed - missing} of {needed}.", accepted=True)
    if missing:
        return (yield from publish_hold(run, now))
    run = yield from progress(run, HOLD, f"Approved by {', '.join(given(run))}.", now)
    return (yield from look(run, now))


def _reject(run: Run, asked: VerbAsked, now: float) -> RunTurn:
    """End the run: nothing was changed, or what was changed is rolled back, as by an abort."""
    yield _answer(asked, "Rejected: the run ends.", accepted=True)
    why = quote(asked.reason, LONGEST_REASON).rstrip(".")
    reason = f"Rejected by {asked.actor}{': ' if why else ''}{why}."
    if before_the_change(run):
        reason = f"Nothing was changed. {reason}"
        return (yield from endings.finish(run, Outcome.BLOCKED, Cause.REFUSED, reason, now=now))
    return (yield from endings.undo(run, f"rejected by {asked.actor}", reason, now))


def _abort(run: Run, asked: VerbAsked, now: float) -> RunTurn:
    return (yield from endings.abort(run, asked.actor, quote(asked.reason, LONGEST_REASON), now))


def _limits(run: Run) -> PausePolicy:
    return run.policy.service.pause if run.policy.service else PausePolicy()
