"""How holds of versions begin with a rollback, and end when somebody releases them."""

from dataclasses import dataclass

from contracts.base import Target, caused_id
from contracts.deployment import Cause
from contracts.prose import quote
from contracts.recovery import KnownVersion, RollbackFinished
from contracts.results import PreflightOutput
from contracts.run_verbs import HoldBegan, ReleaseAnswered
from services.orchestrator.domain.approval import LONGEST_REASON
from services.orchestrator.domain.course import Course
from services.orchestrator.domain.effects import CourseTurn, Publish
from services.orchestrator.domain.holding import before_the_change
from services.orchestrator.domain.policy import Policy
from services.orchestrator.domain.run import Run
from services.orchestrator.domain.run_parts import RollingBack
from services.orchestrator.domain.version_hold import MOST_HELD, VersionHold

MOST_RELEASED = 50
"""How many released holds of a service are remembered."""


@dataclass(frozen=True, slots=True)
class ReleaseAsked:
    """A person wants holds to end."""

    id: str
    """The request's: the id of its answer derives from it."""
    target: Target
    actor: str
    reason: str
    hold_id: str = ""
    """The one to end; empty: all."""
    refusal: str = ""
    """Why whoever asks may not, as a sentence; empty where nothing is known against it."""


def after_rollback(course: Course, event: RollbackFinished, policy: Policy, now: float) -> CourseTurn:
    """Hold what a rollback has taken back, and hold no more what it has brought back.

    One that was superseded holds nothing: somebody else has decided what is to run. Nor does one of a run that gave way
    to a newer request, or whose change never reached the service: nothing speaks against its version.
    """
    rules, back = policy.holds, event.brought_back
    taken = None if event.untouched or _gave_way(course, event) else event.taken_back
    kept = course.version_holds
    if event.result == "restored" and back is not None:
        kept = tuple(hold for hold in kept if not hold.version.matches(back))
    known = {*course.released, *(hold.id for hold in kept)}
    if taken is None or event.result == "superseded" or rules.versions == "none" or event.rollback_id in known:
        return course.with_holds(kept)
    begun = VersionHold.of(event, taken, now)
    sentence = begun.sentence(event.target, rules)
    began = HoldBegan(target=event.target, hold_id=begun.id, version=taken, sentence=sentence)
    yield Publish(began, caused_id(begun.id, "held"))
    others = (hold for hold in kept if hold.version != taken)
    return course.with_holds((*others, begun)[-MOST_HELD:])


def _gave_way(course: Course, event: RollbackFinished) -> bool:
    run = course.active
    if run is None or run.run_id != event.run_id:
        return False
    return isinstance(run.ending, RollingBack) and run.ending.cause is Cause.SUPERSEDED


def release(course: Course, asked: ReleaseAsked, policy: Policy, now: float) -> CourseTurn:
    """End the holds that are meant, and answer."""
    rules = policy.holds
    standing = [hold for hold in course.version_holds if hold.stands(rules, now)]
    meant = [hold for hold in standing if asked.hold_id in {"", hold.id}]
    why_not = asked.refusal or _why_not(standing, meant)
    ended = () if why_not else tuple(hold.id for hold in meant)
    yield Publish(_answer(asked, ended, why_not), caused_id(asked.id, "answered"))
    return _without(course, ended)


def release_again(course: Course, event: ReleaseAnswered) -> Course:
    """Know again what was published as released, though the restored state does not."""
    return _without(course, event.released)


def stopped_by(run: Run, now: float) -> VersionHold | None:
    """Return the hold that keeps a run from its change; None where none does.

    What passed its checks before Redis was restored may be live already, and is not stopped any more.
    """
    preflight = run.output(PreflightOutput)
    if preflight is None or not before_the_change(run) or run.request.past_checks:
        return None
    images = preflight.digests or {name: image.partition("@")[2] for name, image in preflight.images.items()}
    version = KnownVersion(task_definition=preflight.task_definition or "", images=images)
    rules, by_ci = run.policy.holds, run.request.by_ci
    holds = reversed(run.version_holds)
    return next((hold for hold in holds if hold.stops(version, rules, now, by_ci=by_ci)), None)


def why_stopped(run: Run, hold: VersionHold) -> str:
    """Return why the run does not go on, as a sentence."""
    return hold.sentence(run.target, run.policy.holds)


def _why_not(standing: list[VersionHold], meant: list[VersionHold]) -> str:
    if meant:
        return ""
    if not standing:
        return "Nothing is held on this service."
    return f"There is no such hold. Those that stand: {', '.join(hold.id for hold in standing)}."


def _answer(asked: ReleaseAsked, ended: tuple[str, ...], why_not: str) -> ReleaseAnswered:
    number = "The hold has" if len(ended) == 1 else f"{len(ended)} holds have"
    return ReleaseAnswered(
        target=asked.target,
        accepted=not why_not,
        released=ended,
        actor=asked.actor,
        reason=quote(asked.reason, LONGEST_REASON),
        sentence=why_not or f"{number} ended: what was held may be deployed again. Ask for the deployment anew.",
    )


def _without(course: Course, ended: tuple[str, ...]) -> Course:
    if not ended:
        return course
    kept = tuple(hold for hold in course.version_holds if hold.id not in ended)
    released = tuple(dict.fromkeys((*course.released, *ended)))[-MOST_RELEASED:]
    return course.with_holds(kept).replace(released=released)
