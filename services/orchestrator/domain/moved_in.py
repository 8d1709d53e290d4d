"""A held version that somebody brings in past Surefoot: it is told with its mover, and not fought."""

from contracts.base import Target, caused_id
from contracts.monitor import WarningAlert
from contracts.moves import ServiceMoved
from contracts.prose import prose
from services.orchestrator.domain.course import Course
from services.orchestrator.domain.effects import CourseTurn, Publish
from services.orchestrator.domain.limits import moment
from services.orchestrator.domain.policy import Policy
from services.orchestrator.domain.version_hold import HeldVersionLive, VersionHold

RULE = "held_version"
"""The rule of the warning."""
OURS = "ours"
"""How recovery names this installation among the movers: it deploys no held version but by somebody's own word."""


def after_move(course: Course, event: ServiceMoved, policy: Policy, now: float) -> CourseTurn:
    """Warn where the version that has come in is held, again once its mover is known; else end such a warning."""
    if event.what != "version" or event.version is None:
        return course
    standing = [hold for hold in course.version_holds if hold.stands(policy.holds, now)]
    held = [] if event.by == OURS else [hold for hold in standing if hold.version.matches(event.version)]
    if not held:
        return (yield from _end(course, event.target))
    known, found = course.held_live, _live(held[-1], event, policy)
    if known is not None and known.alert_id == found.alert_id:
        if known.detail == found.detail:
            return course
    else:
        course = yield from _end(course, event.target)
    yield Publish(_alert(event.target, found, "raised"), caused_id(found.alert_id, f"raised:{event.by}:{event.sure}"))
    return course.replace(held_live=found)


def settle(course: Course, target: Target) -> CourseTurn:
    """End a warning whose hold is not there any more."""
    known = course.held_live
    if known is None or any(hold.id == known.hold_id for hold in course.version_holds):
        return course
    return (yield from _end(course, target))


def _live(hold: VersionHold, event: ServiceMoved, policy: Policy) -> HeldVersionLive:
    moved = f"{event.target.cluster} {event.target.service}"
    detail = (
        f"A held version is live again. {event.sentence} {hold.sentence(event.target, policy.holds)} "
        f"Surefoot leaves it; `surefoot rollback {moved} --latest-proven` takes it back."
    )
    return HeldVersionLive(
        alert_id=caused_id(f"{event.target}:{hold.id}", f"held:{event.move_id}"),
        hold_id=hold.id,
        began_at=event.moved_at.timestamp(),
        detail=prose(detail),
    )


def _end(course: Course, target: Target) -> CourseTurn:
    known = course.held_live
    if known is None:
        return course
    yield Publish(_alert(target, known, "resolved"), caused_id(known.alert_id, "resolved"))
    return course.replace(held_live=None)


def _alert(target: Target, live: HeldVersionLive, state: str) -> WarningAlert:
    return WarningAlert(
        target=target,
        alert_id=live.alert_id,
        rule=RULE,
        state="raised" if state == "raised" else "resolved",
        value=float(state == "raised"),
        comparison=">",
        threshold=0,
        samples=1,
        began_at=moment(live.began_at),
        detail=live.detail,
    )
