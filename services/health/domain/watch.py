"""The watch over a deployment: what was observed → go on, healthy, failed, or nobody can tell.

Judged by the deployment's id, its rollout state, its task definition and its targets: a service that is stable
again after ECS rolled it back is a failed deployment. A FAILED deployment may be listed for a moment only, so
"the primary deployment is not the one that we watch" counts as well.
"""

from dataclasses import dataclass
from math import ceil

from contracts.deployment import Cause
from contracts.gates import Gate, Verdict, worst
from contracts.state import State
from services.health.domain.checks import fewest_healthy
from services.health.domain.observed import Deployment, Rollout, Service, StoppedTask, TargetHealth, Unasked

SETTLING_SECONDS = 30.0
"""ECS is eventually consistent: so long a deployment that was never seen may still be about to appear."""
FRESH_SECONDS = 30.0
"""At the deadline an observation of this age still counts when AWS cannot be asked just then."""
REMEMBERED_TASKS = 200


@dataclass(frozen=True, slots=True)
class Expected:
    """The deployment to watch for, and until when."""

    deployment_id: str | None
    """None: the one in progress, or the next one that begins."""
    task_definition: str | None
    deadline: float
    """Product time, epoch seconds."""


@dataclass(frozen=True, slots=True)
class Observed:
    """One look at the service."""

    service: Service | None
    """None: ECS knows no such active service."""
    targets: tuple[TargetHealth, ...] | Unasked | None = None
    """None: there is no load balancer."""
    stopped: tuple[StoppedTask, ...] = ()
    rollout: Rollout | None = None
    """How our service deployment went; looked up once our deployment is no longer the primary one."""


class Memory(State):
    """What a watch knows from earlier looks; it survives the process in a checkpoint."""

    began_at: float
    deployment_id: str | None = None
    """The deployment that is watched, once it is known."""
    first_primary: str | None = None
    """What was there when the watch began, for a watch that waits for somebody else's deployment."""
    seen: bool = False
    """Our deployment was the primary one."""
    rollout: str | None = None
    """The ARN of the service deployment that was current while ours was primary."""
    failed_tasks: tuple[str, ...] = ()
    """ARNs of tasks of ours that failed, the first ``REMEMBERED_TASKS``."""
    failed_most: int = 0
    """The highest ``failedTasks`` that ECS reported for ours; it resets its own count."""
    last_failure: str = ""
    seen_at: float | None = None
    gates: tuple[Gate, ...] = ()
    """Of the last look that succeeded."""
    message: str = ""
    """What was last told, and how often something was."""
    told: int = 0

    @property
    def failures(self) -> int:
        return max(self.failed_most, len(self.failed_tasks))

    def tells(self, message: str) -> "Memory":
        return self.replace(message=message, told=self.told + 1)


@dataclass(frozen=True, slots=True)
class Watching:
    message: str


@dataclass(frozen=True, slots=True)
class Healthy:
    detail: str
    gates: tuple[Gate, ...]


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


def failure_limit(desired: int) -> int:
    """Failed tasks that fail a deployment: half of the desired count, 3 at least and 200 at most.

    ECS's own circuit breaker: developer guide, "How the Amazon ECS deployment circuit breaker detects failures".
    """
    return min(max(ceil(0.5 * desired), 3), 200)


def remember(memory: Memory, observed: Observed, expected: Expected, now: float) -> Memory:
    """Add one look to what is known."""
    service = observed.service
    if service is None:
        return memory.model_copy(update={"seen_at": now})
    primary = service.primary
    first = memory.first_primary or (primary.id if primary else None)
    ours = memory.deployment_id or expected.deployment_id or _begun(service, first, expected)
    leading = primary is not None and primary.id == ours
    listed = service.deployment(ours)
    failed = [task for task in observed.stopped if task.failed and task.deployment_id == ours]
    arns = dict.fromkeys((*memory.failed_tasks, *(task.arn for task in failed)))
    known = memory.model_copy(
        update={
            "first_primary": first,
            "deployment_id": ours,
            "seen": memory.seen or leading,
            "rollout": service.rollout if leading else memory.rollout,
            "failed_tasks": tuple(arns)[:REMEMBERED_TASKS],
            "failed_most": max(memory.failed_most, listed.failed_tasks if listed else 0),
            "last_failure": failed[-1].told if failed else memory.last_failure,
            "seen_at": now,
        }
    )
    return known.model_copy(update={"gates": gates(observed, expected, known, now)})


def lost(memory: Memory, service: Service, now: float) -> bool:
    """Whether the watched deployment is no longer the primary one, or never came."""
    ours, primary = memory.deployment_id, service.primary
    if ours is None or (primary is not None and primary.id == ours):
        return False
    return memory.seen or service.deployment(ours) is not None or now - memory.began_at > SETTLING_SECONDS


def judge(observed: Observed | None, expected: Expected, memory: Memory, now: float) -> Judgement:
    """Judge one look (None: AWS could not be asked), with ``memory`` already including it."""
    if observed is not None:
        failure = _failure(observed, memory, now)
        if failure is not None:
            return failure
        if worst(gate.verdict for gate in memory.gates) is Verdict.PASS:
            return Healthy(_counts(observed, memory), memory.gates)
    if now < expected.deadline:
        return Watching("AWS could not be asked" if observed is None else _counts(observed, memory))
    return _overdue(observed, memory, now)


def gates(observed: Observed, expected: Expected, memory: Memory, now: float) -> tuple[Gate, ...]:
    """Return the questions that make a deployment healthy, each with what was seen of it."""
    service = observed.service
    if service is None:
        return (Gate.true("our_deployment_live", None, detail="the service is gone"),)
    ours = service.deployment(memory.deployment_id)
    asked = (
        Gate.true("rollout_completed", _completed(ours, service), detail=ours.reason if ours else "not listed"),
        Gate.true("our_deployment_live", _live(service, expected, memory, now), detail=_primary(service)),
        Gate.measured("tasks_running", ours.running if ours else None, "==", service.desired),
        Gate.measured("failed_tasks", memory.failures, "<", failure_limit(service.desired), detail=memory.last_failure),
    )
    if observed.targets is None:
        return asked
    if memory.deployment_id is None:
        unbegun = Gate.measured(
            "targets_healthy", None, ">=", service.desired, samples=0, detail="no deployment has begun"
        )
        return (*asked, unbegun)
    if isinstance(observed.targets, Unasked):
        unseen = Gate.measured("targets_healthy", None, ">=", service.desired, samples=0, detail=observed.targets.why)
        return (*asked, unseen)
    healthy, registered = _healthy(observed.targets, service, memory), len(observed.targets)
    return (
        *asked,
        Gate.measured("targets_healthy", healthy, ">=", service.desired, samples=max(1, registered)),
    )


def _healthy(targets: tuple[TargetHealth, ...], service: Service, memory: Memory) -> int:
    """Healthy targets that are ours at least: each running task of another deployment may be one of them."""
    others = sum(one.running for one in service.deployments if one.id != memory.deployment_id)
    return max(0, fewest_healthy(targets, service.target_groups) - others)


def _begun(service: Service, first: str | None, expected: Expected) -> str | None:
    """Return the id of the deployment that somebody else began, if one has."""
    primary = service.primary
    if primary is None:
        return None
    if primary.id != first or primary.rollout_state == "IN_PROGRESS":
        return primary.id
    if expected.task_definition is not None and _runs(primary, expected):
        return primary.id
    return primary.id if primary.rollout_state is None and not _completed(primary, service) else None


def _runs(deployment: Deployment, expected: Expected) -> bool:
    """Whether it runs the task definition that was asked for: an ARN, or ``family:revision``."""
    wanted, runs = expected.task_definition, deployment.task_definition
    return wanted is None or runs == wanted or runs.endswith(f"/{wanted}")


def _completed(ours: Deployment | None, service: Service) -> bool | None:
    if ours is None:
        return None
    if ours.rollout_state is None:
        return ours.running == service.desired and len(service.deployments) == 1
    return ours.rollout_state == "COMPLETED"


def _live(service: Service, expected: Expected, memory: Memory, now: float) -> bool | None:
    primary = service.primary
    if memory.deployment_id is None:
        return None
    if primary is not None and primary.id == memory.deployment_id:
        return _runs(primary, expected)
    return False if lost(memory, service, now) else None


def _primary(service: Service) -> str:
    primary = service.primary
    return f"{primary.id} runs {primary.task_definition.rsplit('/', 1)[-1]}" if primary else "no deployment"


def _failure(observed: Observed, memory: Memory, now: float) -> Failed | None:
    service = observed.service
    if service is None:
        gone = Gate.true("our_deployment_live", False, detail="the service is gone")
        return Failed(Cause.SUPERSEDED, "ECS knows no such service any more.", (gone,))
    if service.being_deleted is not None:
        going = Gate.true("our_deployment_live", False, detail=service.being_deleted)
        return Failed(Cause.SUPERSEDED, f"It was not watched to its end: {service.being_deleted}.", (going,))
    given_up = _given_up_by_ecs(observed, service, memory, now)
    if given_up is not None:
        return Failed(Cause.GATE, _why(f"ECS gave the deployment up: {given_up}", memory), memory.gates)
    if any(gate.name == "our_deployment_live" and gate.verdict is Verdict.FAIL for gate in memory.gates):
        detail = f"{_primary(service)}, which is not what we watch."
        return Failed(Cause.SUPERSEDED, detail, memory.gates)
    if memory.failures >= failure_limit(service.desired):
        detail = _why(f"{memory.failures} tasks of the deployment failed", memory)
        return Failed(Cause.GATE, detail, memory.gates)
    return None


def _given_up_by_ecs(observed: Observed, service: Service, memory: Memory, now: float) -> str | None:
    """Return why ECS ended our deployment; None when it goes on, or when it was somebody else."""
    ours = service.deployment(memory.deployment_id)
    if ours is not None and ours.rollout_state == "FAILED":
        return ours.reason or "its rollout failed"
    if not lost(memory, service, now):
        return None
    named = f"(deployment {memory.deployment_id})"
    said = next((text for text in service.events if named in text and "deployment failed" in text), None)
    if said is not None:
        return said.partition(named)[2].strip()
    rollout = observed.rollout
    if rollout is None or "superseded" in rollout.reason:
        return None
    ended = rollout.status.startswith("ROLLBACK") or rollout.status == "STOPPED"
    return (rollout.reason or rollout.status) if ended else None


def _why(text: str, memory: Memory) -> str:
    """A sentence, with the last task's own end where there is one."""
    text = text.rstrip(". ")
    return f"{text}. The last task that failed: {memory.last_failure}" if memory.last_failure else f"{text}."


def _overdue(observed: Observed | None, memory: Memory, now: float) -> Failed | Unknown:
    if observed is None and (memory.seen_at is None or now - memory.seen_at > FRESH_SECONDS):
        blind = Gate.true("our_deployment_live", None, samples=0, detail="AWS could not be asked")
        return Unknown(Cause.ERROR, "AWS could not be asked, so nobody can tell.", (blind,))
    if memory.deployment_id is None:
        return Unknown(Cause.TIMEOUT, "No deployment began before the deadline.", memory.gates)
    missing = "; ".join(f"{gate.name} {gate.arithmetic}" for gate in memory.gates if gate.verdict is not Verdict.PASS)
    if worst(gate.verdict for gate in memory.gates) is Verdict.FAIL:
        return Failed(Cause.TIMEOUT, _why(f"Not healthy before the deadline: {missing}", memory), memory.gates)
    return Unknown(Cause.TIMEOUT, f"Not known to be healthy before the deadline: {missing}.", memory.gates)


def _counts(observed: Observed, memory: Memory) -> str:
    """``2 of 3 tasks running, 1 of 3 targets healthy``."""
    service = observed.service
    if service is None or memory.deployment_id is None:
        return "waiting for a deployment to begin"
    ours = service.deployment(memory.deployment_id)
    if ours is None:
        return "waiting for the deployment to appear"
    parts = [f"{ours.running} of {service.desired} tasks running"]
    if isinstance(observed.targets, Unasked):
        parts.append("targets unknown")
    elif observed.targets is not None:
        healthy = min(_healthy(observed.targets, service, memory), service.desired)
        parts.append(f"{healthy} of {service.desired} targets healthy")
    if memory.failures:
        parts.append(f"{memory.failures} task{'' if memory.failures == 1 else 's'} failed")
    return ", ".join(parts)
