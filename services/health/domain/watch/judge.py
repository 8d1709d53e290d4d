"""Judge what was observed: the watch goes on, or the deployment is healthy, has failed, or is unknown."""

from dataclasses import dataclass

from contracts.deployment import Cause
from contracts.gates import Gate, Verdict, worst
from contracts.troubles import RECOVERS, excused
from services.health.domain.observed import NotObserved, Service
from services.health.domain.watch.gates import describe_primary, failure_limit, gates, healthy_targets
from services.health.domain.watch.memory import Expected, Memory, Observed, completed, lost, runs
from services.health.domain.watch.patience import deadline_of, note_progress, why_over

FRESH_SECONDS = 30.0
"""Product seconds: where AWS cannot be asked at the deadline, an observation that is no older still counts."""
START_SECONDS = 300.0
"""Product seconds that a rollout has to move again, once the database is back."""
UNPLACED = "unable to place a task"
"""A part of ECS's events about a lack of capacity (ECS developer guide, "Service event messages")."""
REMEMBERED_TASKS = 200
"""The most failed tasks of which the ARN is kept."""


@dataclass(frozen=True, slots=True)
class Watching:
    message: str


@dataclass(frozen=True, slots=True)
class Healthy:
    detail: str
    gates: tuple[Gate, ...]
    wanted: int
    """How many tasks the service wants; with 0 nothing is proven."""
    task_definition: str | None = None
    """The task definition (ARN) of the deployment."""


@dataclass(frozen=True, slots=True)
class Failed:
    cause: Cause
    detail: str
    gates: tuple[Gate, ...]


@dataclass(frozen=True, slots=True)
class Unknown:
    cause: Cause
    detail: str
    gates: tuple[Gate, ...]


Judgement = Watching | Healthy | Failed | Unknown


def remember(memory: Memory, observed: Observed, expected: Expected, now: float) -> Memory:
    """Return ``memory`` with what one look has seen; ``conclude`` adds what follows from it."""
    service = observed.service
    if service is None:
        return memory.replace(seen_at=now)
    primary = service.primary
    first = memory.first_primary or (primary.id if primary else None)
    ours = memory.deployment_id or expected.deployment_id or _begun(service, first, expected)
    leading = primary is not None and primary.id == ours
    listed = service.deployment(ours)
    failed = [task for task in observed.stopped if task.failed and task.deployment_id == ours]
    arns = dict.fromkeys((*memory.failed_tasks, *(task.arn for task in failed)))
    return memory.replace(
        first_primary=first,
        deployment_id=ours,
        seen=memory.seen or leading,
        rollout=service.rollout if leading else memory.rollout,
        failed_tasks=tuple(arns)[:REMEMBERED_TASKS],
        failed_most=max(memory.failed_most, listed.failed_tasks if listed else 0),
        last_failure=failed[-1].summary if failed else memory.last_failure,
        unplaced=next((event for event in service.events[:1] if UNPLACED in event), ""),
        seen_at=now,
    )


def conclude(before: Memory, seen: Memory, observed: Observed, expected: Expected, now: float) -> Memory:
    """Return what ``remember`` has made of ``before`` with what follows from it: blame, progress and gates."""
    service = observed.service
    if service is None:
        return seen
    known = note_progress(seen.excusing(before, now), observed, service, now)
    return known.replace(gates=gates(observed, expected, known, now))


def _begun(service: Service, first: str | None, expected: Expected) -> str | None:
    """Return the id of the deployment that somebody else began, if one has."""
    primary = service.primary
    if primary is None:
        return None
    if primary.id != first or primary.rollout_state == "IN_PROGRESS":
        return primary.id
    if expected.task_definition is not None and runs(primary, expected):
        return primary.id
    return primary.id if primary.rollout_state is None and not completed(primary, service) else None


def judge(observed: Observed | NotObserved, expected: Expected, memory: Memory, now: float) -> Judgement:
    """Judge one look, with ``memory`` already including it."""
    if isinstance(observed, Observed):
        failure = _failure(observed, memory, now)
        if failure is not None:
            return failure
        if observed.service is not None and worst(gate.verdict for gate in memory.gates) is Verdict.PASS:
            return _healthy(observed, observed.service, memory)
    if now < deadline_of(expected, memory):
        return Watching(_counts(observed, memory) if isinstance(observed, Observed) else "AWS could not be asked")
    return _overdue(observed, expected, memory, now)


def _healthy(observed: Observed, service: Service, memory: Memory) -> Healthy:
    """Return the judgement; of a service that wants no task nothing is known, so that its gates prove nothing."""
    ours = service.deployment(memory.deployment_id)
    version = ours.task_definition if ours else None
    if service.desired:
        return Healthy(_counts(observed, memory), memory.gates, service.desired, version)
    why = "the service wants no task, so nothing of the new version runs"
    gates = tuple(gate.model_copy(update={"not_applicable": why}) for gate in memory.gates)
    return Healthy(f"{why[0].upper()}{why[1:]}.", gates, 0, version)


def _failure(observed: Observed, memory: Memory, now: float) -> Failed | None:
    service = observed.service
    if service is None:
        gone = Gate.true("our_deployment_live", False, detail="the service is gone")
        return Failed(Cause.SUPERSEDED, "ECS knows no such service any more.", (gone,))
    if service.being_deleted is not None:
        going = Gate.true("our_deployment_live", False, detail=service.being_deleted)
        return Failed(Cause.SUPERSEDED, f"It was not watched to its end: {service.being_deleted}.", (going,))
    given_up = _given_up_by_ecs(observed, service, memory, now)
    if given_up is not None and not _waits_for_database(service, memory, now):
        return Failed(Cause.GATE, _why(f"ECS gave the deployment up: {given_up}", memory), memory.gates)
    if any(gate.name == "our_deployment_live" and gate.verdict is Verdict.FAIL for gate in memory.gates):
        detail = f"{describe_primary(service)}, which is not what we watch."
        return Failed(Cause.SUPERSEDED, detail, memory.gates)
    if memory.blamed >= failure_limit(service.desired):
        detail = _why(f"{memory.blamed} tasks of the deployment failed", memory)
        return Failed(Cause.GATE, detail, memory.gates)
    return None


def _given_up_by_ecs(observed: Observed, service: Service, memory: Memory, now: float) -> str | None:
    """Return why ECS ended our deployment; None when it goes on, or when somebody else ended it."""
    ours = service.deployment(memory.deployment_id)
    if ours is not None and ours.rollout_state == "FAILED":
        return ours.reason or "its rollout failed"
    if not lost(memory, service, now):
        return None
    named = f"(deployment {memory.deployment_id})"
    event = next((text for text in service.events if named in text and "deployment failed" in text), None)
    if event is not None:
        return event.partition(named)[2].strip()
    rollout = observed.rollout
    if rollout is None or "superseded" in rollout.reason:
        return None
    ended = rollout.status.startswith("ROLLBACK") or rollout.status == "STOPPED"
    return (rollout.reason or rollout.status) if ended else None


def _waits_for_database(service: Service, memory: Memory, now: float) -> bool:
    """Return whether ECS has stopped our rollout while the database is away, and goes back to no other version."""
    primary = service.primary
    stopped = primary is not None and primary.id == memory.deployment_id
    return stopped and memory.troubles.during(now - RECOVERS, now) is not None


def _why(text: str, memory: Memory) -> str:
    """Return ``text`` as a sentence, followed by why tasks fail or do not even start, where that is known."""
    text = f"{text.rstrip('. ')}{f'. ECS says: {memory.unplaced}' if memory.unplaced else ''}".rstrip(". ")
    return f"{text}. The last task that failed: {memory.last_failure}" if memory.last_failure else f"{text}."


def _overdue(observed: Observed | NotObserved, expected: Expected, memory: Memory, now: float) -> Failed | Unknown:
    blind = memory.seen_at is None or now - memory.seen_at > FRESH_SECONDS
    if isinstance(observed, NotObserved) and blind:
        unknown = Gate.true("our_deployment_live", None, samples=0, detail=observed.why)
        return Unknown(Cause.ERROR, f"AWS could not be asked, so nobody can tell: {observed.why}.", (unknown,))
    if memory.deployment_id is None:
        return Unknown(Cause.TIMEOUT, "No deployment began before the deadline.", memory.gates)
    missing = "; ".join(f"{gate.name} {gate.arithmetic}" for gate in memory.gates if gate.verdict is not Verdict.PASS)
    why = why_over(expected, memory, now)
    fault = memory.troubles.during(now - START_SECONDS, now)
    if fault is not None:
        unproven = tuple(excused(gate, fault) if gate.verdict is Verdict.FAIL else gate for gate in memory.gates)
        return Unknown(Cause.DEPENDENCY, f"{why}, and {fault.detail}: {missing}.", unproven)
    if worst(gate.verdict for gate in memory.gates) is Verdict.FAIL:
        return Failed(Cause.TIMEOUT, _why(f"{why}: {missing}", memory), memory.gates)
    return Unknown(Cause.TIMEOUT, f"{why}, and not known to be healthy: {missing}.", memory.gates)


def _counts(observed: Observed, memory: Memory) -> str:
    """Return ``2 of 3 tasks running, 1 of 3 targets healthy``."""
    service = observed.service
    if service is None or memory.deployment_id is None:
        return "waiting for a deployment to begin"
    ours = service.deployment(memory.deployment_id)
    if ours is None:
        return "waiting for the deployment to appear"
    parts = [f"{ours.running} of {service.desired} tasks running"]
    if isinstance(observed.targets, NotObserved):
        parts.append("targets unknown")
    elif observed.targets is not None:
        healthy = min(healthy_targets(observed.targets, service, memory), service.desired)
        parts.append(f"{healthy} of {service.desired} targets healthy")
    if memory.failures:
        parts.append(f"{memory.failures} task{'' if memory.failures == 1 else 's'} failed")
    if memory.excused and memory.troubles.known:
        parts.append(f"{memory.excused} of them while {memory.troubles.known[-1].fault.detail}")
    return ", ".join(parts)
