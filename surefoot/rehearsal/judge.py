"""Compares a rehearsal with what its scenario expects."""

from collections.abc import Collection, Iterator

from contracts.diagnostics import IssueFound, IssueGone
from contracts.drills import DrillFinished
from contracts.monitor import CriticalAlert, WarningAlert
from contracts.moves import ServiceMoved
from contracts.recovery import AlertTrigger, DriftObserved, ManualTrigger, ReadinessChanged, RollbackDecided
from contracts.recreation import RecreationFinished, RecreationStarted
from contracts.run_verbs import ReleaseAnswered, VerbAnswered
from contracts.scaling import ScalingDecided, ScalingStarted
from sandbox.scenarios.model import Expected
from surefoot.rehearsal.rehearse import Rehearsal

FROM_RECOVERY = frozenset({
    "configuration_drift", "way_back_lost", "way_back_expires", "desired_count_lowered", "taken_back_still_named",
})  # fmt: skip
"""Kinds of issues that no look of diagnostics finds."""


def alerts_of(rehearsal: Rehearsal) -> set[str]:
    """Return the rules of the critical alerts that were raised."""
    events = (envelope.event for envelope in rehearsal.events)
    return {event.rule for event in events if isinstance(event, CriticalAlert) and event.state == "raised"}


def decisions_of(rehearsal: Rehearsal) -> set[str]:
    """Return ``DECISION/REASON`` of what recovery decided on alerts outside a run."""
    events = (envelope.event for envelope in rehearsal.events)
    decided = (event for event in events if isinstance(event, RollbackDecided) and event.run_id is None)
    return {f"{event.decision}/{event.reason}" for event in decided if isinstance(event.trigger, AlertTrigger)}


def scalings_of(rehearsal: Rehearsal) -> set[str]:
    """Return ``DECISION/REASON`` of what recovery decided on emergency scalings."""
    events = (envelope.event for envelope in rehearsal.events)
    return {f"{event.decision}/{event.reason}" for event in events if isinstance(event, ScalingDecided)}


def scaled_to(rehearsal: Rehearsal) -> int:
    """Return how many tasks emergency scalings have wanted at most; 0 where there was none."""
    events = (envelope.event for envelope in rehearsal.events)
    return max((event.raised.desired for event in events if isinstance(event, ScalingStarted)), default=0)


def differences_of(rehearsal: Rehearsal) -> tuple[str, ...]:
    """Return how the service differs from its last good snapshot, as recovery has told it last."""
    observed = [envelope.event for envelope in rehearsal.events if isinstance(envelope.event, DriftObserved)]
    return observed[-1].differences if observed else ()


def lost_of(rehearsal: Rehearsal) -> tuple[str, ...]:
    """Return the ways back that are lost, as recovery has told it last."""
    changed = [envelope.event for envelope in rehearsal.events if isinstance(envelope.event, ReadinessChanged)]
    return changed[-1].lost if changed else ()


def moves_of(rehearsal: Rehearsal) -> tuple[str, ...]:
    """Return ``WHAT: BY`` of each move that recovery has told, with what was told of its mover last."""
    events = [envelope.event for envelope in rehearsal.events]
    last = {event.move_id: event for event in events if isinstance(event, ServiceMoved)}
    return tuple(f"{event.what}: {event.by}" for event in sorted(last.values(), key=lambda event: event.moved_at))


def issues_of(rehearsal: Rehearsal) -> set[str]:
    """Return the kinds of issues that recovery has told and that stand in the end."""
    found: set[str] = set()
    for event in (envelope.event for envelope in rehearsal.events):
        if isinstance(event, IssueFound) and event.issue.kind in FROM_RECOVERY:
            found.add(event.issue.kind)
        elif isinstance(event, IssueGone):
            found.discard(event.kind)
    return found


def warnings_of(rehearsal: Rehearsal) -> set[str]:
    events = (envelope.event for envelope in rehearsal.events)
    return {event.rule for event in events if isinstance(event, WarningAlert) and event.state == "raised"}


def alarms_of(rehearsal: Rehearsal) -> set[str]:
    """Return the rules of Surefoot's own alarms that fired; a rule is the end of the alarm's name."""
    return {name.rpartition("-")[2] for name in rehearsal.fired}


def deployments_of(rehearsal: Rehearsal) -> int:
    """Return how many deployments Surefoot itself began at AWS."""
    return sum("ecs-svc/" in call.effect for call in rehearsal.calls)


def answers_of(rehearsal: Rehearsal) -> tuple[str, ...]:
    """Return what became of each verb that was asked for, in order."""
    return tuple(filter(None, (_answer_of(envelope.event) for envelope in rehearsal.events)))


def _answer_of(event: object) -> str:
    """Return what an event answers to a person, as ``VERB: done`` or ``VERB: refused``; empty where it does not."""
    match event:
        case VerbAnswered(verb=verb, accepted=accepted):
            return f"{verb}: {'done' if accepted else 'refused'}"
        case ReleaseAnswered(accepted=accepted):
            return f"release: {'done' if accepted else 'refused'}"
        case RollbackDecided(trigger=ManualTrigger(), decision=decision):
            return f"rollback: {'done' if decision == 'acted' else 'refused'}"
    return ""


def drills_of(rehearsal: Rehearsal) -> tuple[str, ...]:
    """Return how each drill ended, those that were refused last."""
    events = (envelope.event for envelope in rehearsal.events)
    ended = tuple(f"{event.plan}: {event.result}" for event in events if isinstance(event, DrillFinished))
    return (*ended, *(f"{drill.partition(':')[0]}: refused" for drill in rehearsal.refused_drills))


def recreation_of(rehearsal: Rehearsal) -> tuple[str, float | None, str]:
    """Return how making the service again ended, after how many seconds from its approval, and what was said of it."""
    if rehearsal.refused_recreation:
        return "refused", None, rehearsal.refused_recreation
    began, ended = (
        next((envelope for envelope in rehearsal.events if isinstance(envelope.event, kind)), None)
        for kind in (RecreationStarted, RecreationFinished)
    )
    if began is None or ended is None or not isinstance(ended.event, RecreationFinished):
        return "", None, ""
    seconds = (ended.meta.time - began.meta.time).total_seconds()
    return ended.event.result, seconds if ended.event.result == "recreated" else None, ended.event.sentence


def mismatches(rehearsal: Rehearsal, expected: Expected) -> list[str]:
    """Return a sentence for each difference from what was expected; empty if there is none."""
    return [
        *_of_the_end(rehearsal, expected),
        *_of_people(rehearsal, expected),
        *_of_scalings(rehearsal, expected),
        *_of_aws(rehearsal, expected),
        *_of_moves(rehearsal, expected),
    ]


def _of_the_end(rehearsal: Rehearsal, expected: Expected) -> Iterator[str]:
    """Yield the differences in how the runs ended."""
    ended = rehearsal.finished
    if ended.outcome is not expected.outcome:
        yield f"it ended {ended.outcome}, not {expected.outcome}"
    if expected.cause is not None and ended.cause is not expected.cause:
        yield f"its cause is {ended.cause or 'none'}, not {expected.cause}"
    for words in expected.says:
        if words not in ended.reason:
            yield f"its reason does not say {words!r}"
    for words in expected.without:
        if words in ended.reason:
            yield f"its reason says {words!r}"
    by = ended.rollback.by if ended.rollback is not None else None
    if expected.rolled_back_by is not None and by != expected.rolled_back_by:
        yield f"it was rolled back by {by or 'nobody'}, not by {expected.rolled_back_by}"
    for other in rehearsal.also:
        if other.outcome is not expected.outcome:
            yield f"{other.target.cluster}/{other.target.service} ended {other.outcome}, not {expected.outcome}"


def _of_people(rehearsal: Rehearsal, expected: Expected) -> Iterator[str]:
    """Yield the differences in what people were answered, and in how the runs ended that they asked for."""
    ended = tuple(finished.outcome for finished in rehearsal.newer)
    if expected.newer is not None and ended != expected.newer:
        yield f"newer runs ended {', '.join(ended) or 'never'}, not {', '.join(expected.newer)}"
    if expected.answers is not None and (answers := answers_of(rehearsal)) != expected.answers:
        yield f"people were answered {', '.join(answers) or 'nothing'}, not {', '.join(expected.answers)}"
    yield from _of_recreation(rehearsal, expected)
    if expected.drills is not None and (drills := drills_of(rehearsal)) != expected.drills:
        why = f" ({' '.join(rehearsal.refused_drills)})" if rehearsal.refused_drills else ""
        yield f"drills: {', '.join(drills) or 'none'}, not {', '.join(expected.drills)}{why}"


def _of_recreation(rehearsal: Rehearsal, expected: Expected) -> Iterator[str]:
    result, seconds, sentence = recreation_of(rehearsal)
    if expected.recreated is not None and result != expected.recreated:
        yield f"making it again: {result or 'no end'}, not {expected.recreated}{f' ({sentence})' if sentence else ''}"
    if expected.recreated_within is not None and (seconds is None or seconds > expected.recreated_within):
        took = "never" if seconds is None else f"after {seconds:.0f} s"
        yield f"it serves again {took}, not within {expected.recreated_within:g} s"


def _of_scalings(rehearsal: Rehearsal, expected: Expected) -> Iterator[str]:
    """Yield the differences in what became of the desired count."""
    if expected.scalings is not None and (decided := scalings_of(rehearsal)) != expected.scalings:
        yield f"decided on scalings: {_names(decided)}, not {_names(expected.scalings)}"
    if expected.scaled_to is not None and (most := scaled_to(rehearsal)) != expected.scaled_to:
        yield f"it was scaled to {most}, not {expected.scaled_to}"
    if expected.wants is not None and rehearsal.wants != expected.wants:
        yield f"{rehearsal.wants} tasks are wanted in the end, not {expected.wants}"


def _of_aws(rehearsal: Rehearsal, expected: Expected) -> Iterator[str]:
    """Yield the differences in what was done at AWS, and in what fired there."""
    if expected.changes is not None and (count := deployments_of(rehearsal)) != expected.changes:
        yield f"Surefoot began {count} deployments at AWS, not {expected.changes}"
    if expected.alerts is not None and (raised := alerts_of(rehearsal)) != expected.alerts:
        yield f"critical alerts: {_names(raised)}, not {_names(expected.alerts)}"
    if expected.decisions is not None and (decided := decisions_of(rehearsal)) != expected.decisions:
        yield f"decided outside a run: {_names(decided)}, not {_names(expected.decisions)}"
    if expected.live is not None and rehearsal.live != expected.live:
        yield f"{rehearsal.live} is live, not {expected.live}"
    drifted, lost = differences_of(rehearsal), lost_of(rehearsal)
    if expected.drifted is not None and bool(drifted) != expected.drifted:
        yield f"it differs from its last good snapshot in: {' '.join(drifted) or 'nothing'}"
    if expected.ready is not None and bool(lost) == expected.ready:
        yield f"ways back that are lost: {' '.join(lost) or 'none'}"
    if expected.fires is not None and (fired := alarms_of(rehearsal)) != expected.fires:
        yield f"Surefoot's own alarms that fired: {_names(fired)}, not {_names(expected.fires)}"
    if expected.armed is not None and rehearsal.armed != expected.armed:
        yield f"Surefoot's own alarms watch {_names(rehearsal.armed)}, not {_names(expected.armed)}"


def _of_moves(rehearsal: Rehearsal, expected: Expected) -> Iterator[str]:
    """Yield the differences in who is said to have changed the service, and in what follows from that."""
    if expected.moves is not None and (moves := moves_of(rehearsal)) != expected.moves:
        yield f"it was moved: {', '.join(moves) or 'never'}, not {', '.join(expected.moves)}"
    if expected.issues is not None and (issues := issues_of(rehearsal)) != expected.issues:
        yield f"issues: {_names(issues)}, not {_names(expected.issues)}"
    if expected.warnings is not None and (missing := expected.warnings - warnings_of(rehearsal)):
        yield f"warnings that were not raised: {_names(missing)}"


def _names(rules: Collection[str]) -> str:
    return ", ".join(sorted(rules)) or "none"
