"""Checks a campaign from outside: by AWS's log and by the events on the bus. Pure."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from contracts.base import caused_id
from contracts.catalogue import topics_of
from contracts.dead_letter import DeadLettered
from contracts.deployment import DeploymentFinished, Outcome, PhaseFinished, PhaseStarted
from contracts.recovery import ChangeApplied, RollbackFinished, RollbackStarted, TargetArmed, TargetDisarmed
from contracts.results import StepFinished
from contracts.topics import COMMAND_TOPICS, SERVICES, Party
from tests.chaos.observer import Place, Seen
from tests.chaos.report import Report
from tests.chaos.requests import Asked

OLDER_COPY = "restore redis from an older copy"
"""The harm after which state is forgotten that was published."""
CHANGE, ROLLBACK = "surefoot/recovery/apply-change/", "surefoot/recovery/rollback/"


@dataclass(frozen=True, slots=True)
class Effect:
    """A call after which ECS began a new deployment of a service."""

    number: int
    service: str
    job: str
    """The id of the job that made the call; empty for a call that is not Surefoot's."""
    rollback: bool = False
    version: str = ""
    """The task definition that it rolls out, as ``family:revision``."""


@dataclass(slots=True)
class Images:
    """Digests: of what each run deploys, and of what each service runs before and after all runs."""

    of_run: dict[str, str] = field(default_factory=dict)
    before: dict[str, str] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)


def effects_of(calls: Iterable[dict[str, Any]]) -> list[Effect]:
    """Return the calls in AWS's log that began a deployment."""
    found = []
    for call in calls:
        if call["operation"] != "UpdateService" or not call["effect"]:
            continue
        agent, service = call["user_agent"], call["resource"].rpartition("/")[2]
        rollback = ROLLBACK in agent
        _, _, rest = agent.partition(ROLLBACK if rollback else CHANGE)
        version = call["effect"].partition(" ")[2]
        found.append(Effect(call["number"], service, rest.rpartition("/")[0], rollback, version))
    return found


def judge(
    report: Report,
    asked: Sequence[Asked],
    seen: Seen,
    calls: Iterable[dict[str, Any]],
    others: Mapping[str, str] = {},
    *,
    harmless: bool = False,
) -> Report:
    """Fill the report. ``others``: runs of another Surefoot, and their outcomes (empty: none)."""
    report.runs = len(asked)
    report.kinds = dict(Counter(request.kind for request in asked))
    report.copies_on_the_bus = seen.copies
    _ends(report, asked, seen)
    _outcomes(report, asked, seen, harmless=harmless)
    effects = effects_of(calls)
    _deployments(report, asked, seen, [effect for effect in effects if effect.job not in jobs_of(others)])
    _others(report, others, effects)
    _events(report, asked, seen)
    _letters(report, seen.bad, seen.letters)
    return report


def _ends(report: Report, asked: Sequence[Asked], seen: Seen) -> None:
    """Check that each run has exactly one terminal state."""
    finished = seen.ended
    report.terminal_states = dict(Counter(str(event.outcome) for event in finished.values()))
    for request in asked:
        if request.run_id not in finished:
            report.runs_without_one += 1
            report.faults.append(f"{request.id} ({request.behaviour}) has no terminal state")
    twice = {
        first.event.run_id
        for first, second in seen.contradictions
        if isinstance(first.event, DeploymentFinished)
        and isinstance(second.event, DeploymentFinished)
        and first.event.outcome != second.event.outcome
    }
    of_run = Counter(event.run_id for event in seen.of(DeploymentFinished))
    twice |= {run_id for run_id, count in of_run.items() if count > 1}
    report.runs_with_two = len(twice)
    report.faults += [f"the run {run_id} has two terminal states" for run_id in sorted(twice)]


def _outcomes(report: Report, asked: Sequence[Asked], seen: Seen, *, harmless: bool) -> None:
    """Check that each run has an outcome that is right for its version."""
    for request in asked:
        end = seen.ended.get(request.run_id)
        if end is not None and end.outcome not in request.outcomes(harmless=harmless):
            report.outcomes_wrong += 1
            what = f"{request.id} ({request.behaviour} on a service of the kind {request.kind})"
            report.faults.append(f"{what} ended {end.outcome}: {end.reason}")


def _deployments(report: Report, asked: Sequence[Asked], seen: Seen, effects: Sequence[Effect]) -> None:
    """Check one effective deployment per change, one rollback per run at most, and that no late call stays."""
    changed, finished = {event.run_id for event in seen.of(ChangeApplied)}, seen.ended
    report.changes_intended = len(changed)
    for request in asked:
        ours = [effect for effect in effects if effect.job in jobs_of([request.run_id])]
        changes = [effect for effect in ours if not effect.rollback]
        late = max(0, len(changes) - 1) + (len(changes) > 0 and request.run_id not in changed)
        report.effective_deployments += len(changes) - late
        report.late_calls_corrected += late
        report.rollbacks_per_run = max(report.rollbacks_per_run, _rollbacks(ours, effects))
        outcome = finished[request.run_id].outcome if request.run_id in finished else None
        report.faults += [
            f"{request.id} ({request.behaviour}, {outcome}): {fault}" for fault in _wrong(ours, changes, late, outcome)
        ]
        if request.run_id in changed and not changes:
            report.faults.append(
                f"{request.id}: its change is published as applied, and ECS began no deployment for it"
            )
    outside = _outside(report, seen)
    known = jobs_of(request.run_id for request in asked) | outside | {""}
    report.faults += [
        f"a deployment for a job that nobody asked for: {found.job}" for found in effects if found.job not in known
    ]
    if report.rollbacks_per_run > 1:
        report.faults.append("a run was rolled back more than once")


def _outside(report: Report, seen: Seen) -> set[str]:
    """Return the ids of the rollbacks outside runs, and check that each deployment has one at most."""
    begun = {event.rollback_id: event.deployment_id for event in seen.of(RollbackStarted) if event.run_id is None}
    report.rollbacks_outside = len(begun)
    report.faults += [
        f"{deployment} was rolled back more than once outside runs"
        for deployment, count in Counter(begun.values()).items()
        if deployment and count > 1
    ]
    return set(begun)


def jobs_of(runs: Iterable[str]) -> set[str]:
    """Return the ids of the jobs that may deploy for these runs."""
    return {job for run in runs for job in (caused_id(run, "deployment_monitoring:apply-change:1"), f"rollback:{run}")}


def _others(report: Report, others: Mapping[str, str], effects: Sequence[Effect]) -> None:
    """Check the promises for the runs of another Surefoot on the same targets."""
    report.deployments_of_others = len(others)
    for run, outcome in others.items():
        theirs = [effect for effect in effects if effect.job in jobs_of([run])]
        if not outcome:
            report.faults.append(f"the run {run} of another Surefoot has no terminal state")
        changes = [effect for effect in theirs if not effect.rollback]
        again = any(not _others_between(*pair, effects) for pair in pairwise(changes))
        if again or _rollbacks(theirs, effects) > 1:
            report.faults.append(f"the run {run} of another Surefoot deployed or rolled back more than once")


def _others_between(first: Effect, second: Effect, effects: Sequence[Effect]) -> bool:
    """Whether somebody else deployed to the service between two calls for one change.

    A call that repeats a change begins a deployment only then: AWS has carried out a call late that had been given up.
    """
    between = (effect for effect in effects if first.number < effect.number < second.number)
    return any(effect.service == first.service and effect.job != first.job for effect in between)


def _rollbacks(ours: Sequence[Effect], effects: Sequence[Effect]) -> int:
    """Count rollbacks, without those that took the change back once more after a late call, or a person, brought it."""
    changed = {effect.version for effect in ours if not effect.rollback}
    back = [effect for effect in ours if effect.rollback]
    again = (_brought_between(*pair, effects, changed) for pair in pairwise(back))
    return len(back[:1]) + sum(not brought for brought in again)


def _brought_between(first: Effect, second: Effect, effects: Sequence[Effect], versions: Collection[str]) -> bool:
    between = (effect for effect in effects if first.number < effect.number < second.number)
    return any(effect.service == first.service and effect.version in versions for effect in between)


def _wrong(ours: Sequence[Effect], changes: Sequence[Effect], late: int, outcome: Outcome | None) -> Iterable[str]:
    """Yield a sentence for each wrong order of a run's own deployments."""
    last_is_change = bool(ours) and not ours[-1].rollback
    excused = {Outcome.SUPERSEDED, Outcome.ROLLBACK_FAILED}
    if len(changes) == len(ours):
        excused.add(Outcome.ROLLED_BACK)  # by ECS itself, which leaves no call
    if late and last_is_change and outcome not in excused:
        yield "a deployment was begun that nobody intended, and it stayed"
    if outcome is Outcome.SUCCEEDED and (not changes or not last_is_change):
        yield "it succeeded, but its change is not what was deployed last"
    if outcome is Outcome.BLOCKED and changes:
        yield "it was blocked, and something was deployed"


def _events(report: Report, asked: Sequence[Asked], seen: Seen) -> None:
    """Check that whatever began has ended, and that each event came at least once."""
    runs = {request.run_id for request in asked}
    begun = {(e.run_id, e.phase) for e in seen.of(PhaseStarted)}
    ended = {(e.run_id, e.phase) for e in seen.of(PhaseFinished)}
    over = set(seen.ended)
    if report.harm.get(OLDER_COPY):
        # a run that has forgotten how far it was, and whose checks do not pass again, says so and ends
        over -= {run_id for run_id, end in seen.ended.items() if end.outcome is Outcome.FAILED}
    lost = [f"{phase} of {run_id} never ended" for run_id, phase in begun - ended if run_id in runs & over]
    lost += [f"{phase} of {run_id} ended and never began" for run_id, phase in ended - begun if run_id in runs]
    results = {event.rollback_id for event in seen.of(RollbackFinished)}
    lost += [
        f"{event.rollback_id} never ended" for event in seen.of(RollbackStarted) if event.rollback_id not in results
    ]
    answered = {event.command_id for event in seen.of(StepFinished)}
    commands = [event for event in list(seen.events.values()) if event.entry.topic in COMMAND_TOPICS]
    lost += [
        f"{command.entry.name} of {command.meta.run_id} was never answered"
        for command in commands
        if command.meta.id not in answered
    ]
    stood_down = {event.run_id for event in seen.of(TargetDisarmed)} | {
        event.run_id for event in seen.of(RollbackFinished)
    }
    lost += [f"{event.run_id} stays armed" for event in seen.of(TargetArmed) if event.run_id not in stood_down]
    report.events_lost = len(lost)
    report.faults += sorted(lost)


def judge_services(
    report: Report, asked: Sequence[Asked], seen: Seen, images: Images, touched: Collection[str]
) -> Report:
    """Compare what AWS runs in the end with what the outcomes, one after another, say that it runs."""
    outside = {event.target.service for event in seen.of(RollbackStarted) if event.run_id is None}
    expected: dict[str, str | None] = dict(images.before)
    for request in asked:
        end = seen.ended.get(request.run_id)
        match end.outcome if end else None:
            case Outcome.SUCCEEDED:
                expected[request.target.service] = images.of_run[request.run_id]
            case Outcome.BLOCKED | Outcome.ABORTED | Outcome.ROLLED_BACK:
                pass  # what ran before
            case _:
                expected[request.target.service] = None  # nobody has promised anything
    for service, digest in sorted(expected.items()):
        if digest is None or service in touched or service in outside:
            continue
        report.services_checked += 1
        if images.after.get(service) != digest:
            report.services_wrong += 1
            runs = images.after.get(service) or "nothing steady"
            report.faults.append(f"{service} runs {runs}, and by the outcomes of its runs it must be {digest}")
    return report


def _letters(report: Report, bad: Iterable[Place], letters: Sequence[DeadLettered]) -> None:
    """Check one letter for each bad message and each group that reads its topic, and no other."""
    readers = {
        topic.name: {service for service in SERVICES if topic in topics_of(Party(service))} for topic in _topics()
    }
    expected = {(*place, str(group)) for place in bad for group in readers.get(place[0], ())}
    found = [(letter.topic, letter.partition, letter.offset, letter.group) for letter in letters]
    report.dead_letters_expected, report.dead_letters_found = len(expected), len(found)
    missing, more = expected - set(found), set(found) - expected
    report.faults += [
        f"no dead letter for {topic}/{n}/{offset} of {group}" for topic, n, offset, group in sorted(missing)
    ]
    report.faults += [
        f"a dead letter that was not expected: {letter.subject} of {letter.group}, {letter.detail}"
        for letter in letters
        if (letter.topic, letter.partition, letter.offset, letter.group) in more
    ]
    report.faults += [f"two dead letters for {place}" for place, count in Counter(found).items() if count > 1]


def _topics() -> set[Any]:
    return {topic for service in SERVICES for topic in topics_of(Party(service))}
