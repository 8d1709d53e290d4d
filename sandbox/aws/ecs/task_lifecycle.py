"""The lifecycle of a task, as a sequence of moments: each changes the task and sets the time of the next.

PROVISIONING → PENDING → ACTIVATING → RUNNING, and then to STOPPED by itself (its container exits) or on
request (DEACTIVATING while its target drains → STOPPING → DEPROVISIONING → STOPPED). How long each takes
is of the order that Fargate shows.
"""

from math import inf
from random import Random

from sandbox.aws.ecs import start_failures, targets
from sandbox.aws.ecs.neighbours import Neighbours
from sandbox.aws.ecs.targets import Failure, State, Target
from sandbox.aws.ecs.tasks import Task
from sandbox.scenarios.behaviour import Behaviour

PROVISIONING_SECONDS = (5.0, 10.0)
PULL_SECONDS = (8.0, 12.0)
ACTIVATING_SECONDS = 2.0
DEPROVISIONING_SECONDS = 5.0
PROVEN_SECONDS = 40.0
"""Seconds of RUNNING after which ECS counts a task without health checks as started successfully."""
FAILED_TO_START, INTERRUPTED = "TaskFailedToStart", "SpotInterruption"
"""Stop codes."""
OWN_INTERVAL, OWN_RETRIES = 30.0, 3
"""Defaults of a container's own health check (ECS API reference, HealthCheck)."""
KILLED = 137
"""The exit code of SIGKILL."""


def advance(task: Task, now: float, random: Random, near: Neighbours) -> None:
    """Live through the moment that is due at ``now``."""
    match task.status:
        case "PROVISIONING" if task.due == inf:
            task.due = now + random.uniform(*PROVISIONING_SECONDS)
        case "PROVISIONING" if why := start_failures.unplaced(task, near) or _unstarted(task):
            _die(task, now, FAILED_TO_START, why)
        case "PROVISIONING":
            task.status, task.pull_started = "PENDING", now
            task.due = now + random.uniform(*PULL_SECONDS)
        case "PENDING":
            _pulled(task, now, start_failures.unmade(task, near))
        case "ACTIVATING":
            _run(task, now, near)
        case "RUNNING":
            _live(task, now, near)
        case "DEACTIVATING":
            task.targets.clear()
            _terminate(task, now)
        case "STOPPING":
            task.targets.clear()
            _stopped(task, KILLED if _outlives(task) else 0)
            task.status, task.due = "DEPROVISIONING", now + DEPROVISIONING_SECONDS
        case "DEPROVISIONING":
            task.status, task.stopped, task.due = "STOPPED", now, inf
        case _:
            task.due = inf


def _unstarted(task: Task) -> str:
    """Return why the task of a one-off command is not started, where its image says so; empty where it is."""
    behaviour = task.behaviour
    waits = task.command and behaviour is not None and not behaviour.migration.starts
    return start_failures.NO_CAPACITY if waits else ""


def stop(task: Task, now: float, code: str, reason: str, near: Neighbours) -> None:
    """Ask a task to stop. Its targets drain first when it was in service, except on Spot.

    ECS developer guide, "Amazon ECS clusters for Fargate": SIGTERM comes with the notice of an interruption, and the
    task ends within two minutes.
    """
    if not task.alive:
        return
    task.desired_status, task.stop_code, task.stopped_reason, task.stopping = "STOPPED", code, reason, now
    serving = [target for target in task.targets if target.state is State.HEALTHY]
    if task.status != "RUNNING":
        task.targets.clear()
        task.status, task.due = "DEPROVISIONING", now + DEPROVISIONING_SECONDS
    elif serving:
        for target in task.targets:
            target.drain()
        if code == INTERRUPTED:
            _terminate(task, now)
        else:
            delays = (near.deregistration_seconds(target.group) for target in task.targets)
            task.status, task.due = "DEACTIVATING", now + max(delays)
    else:
        task.targets.clear()
        _terminate(task, now)


def _terminate(task: Task, now: float) -> None:
    """Send SIGTERM; a container that has not ended after the stop timeout is killed."""
    wanted = task.behaviour.stop_seconds if task.behaviour else 0.0
    task.status, task.due = "STOPPING", now + min(wanted, task.stop_timeout)


def _outlives(task: Task) -> bool:
    return task.behaviour is not None and task.behaviour.stop_seconds > task.stop_timeout


def _pulled(task: Task, now: float, failure: str) -> None:
    task.pull_stopped = now
    if not failure:
        task.status, task.due = "ACTIVATING", now + ACTIVATING_SECONDS
        return
    task.container_reason = failure
    _die(task, now, FAILED_TO_START, failure)


def _run(task: Task, now: float, near: Neighbours) -> None:
    task.status, task.started = "RUNNING", now
    if task.behaviour is not None and task.behaviour.crash_after is None and not task.command:
        task.news.append("INFO:     Uvicorn running on http://0.0.0.0:8000")
    task.targets = [
        Target(group, task.address, port, health_check=near.health_check(group)) for group, port in task.target_groups
    ]
    for target in task.targets:
        target.next_check = now + target.health_check.interval
    task.next_own_check = now + _own_interval(task) if task.has_own_check else inf
    task.due = min(_next_check(task), _end(task))


def _live(task: Task, now: float, near: Neighbours) -> None:
    """Live through a moment of RUNNING: a container ends, or its health is checked."""
    if now >= _end(task):
        _exit(task, now, near)
        return
    if now >= _next_check(task):
        _check(task, now, near)
    task.proven = task.proven or (task.checked and task.healthy)
    task.due = min(_next_check(task), _end(task))


def _next_check(task: Task) -> float:
    if task.checked:
        return min([task.next_own_check, *(target.next_check for target in task.targets)])
    return inf if task.proven else task.running_since + PROVEN_SECONDS


def _check(task: Task, now: float, near: Neighbours) -> None:
    if not task.checked:
        task.proven = True
        return
    failures = [_check_target(task, target, now, near) for target in task.targets if target.next_check <= now]
    if task.next_own_check <= now:
        failures.append(_check_itself(task, now, near))
    failed = any(failure is not None for failure in failures)
    if failed and task.answers(now) and task.behaviour is not None:
        task.news.append(f"ERROR:    {task.behaviour.log}")
    task.unhealthy_since = min(task.unhealthy_since, now) if task.unhealthy else inf
    if not failed and task.healthy and not (task.behaviour and task.behaviour.falls_ill):
        _settle(task)


def _settle(task: Task) -> None:
    """Check no more: as the image behaves, no check will ever fail."""
    task.next_own_check = inf
    for target in task.targets:
        target.next_check = inf


def _check_target(task: Task, target: Target, now: float, near: Neighbours) -> Failure:
    behaviour = task.behaviour
    failure: Failure = targets.TIMEOUT
    if behaviour is not None:
        then = behaviour.at(task.running_seconds(now), database=near.database)
        failure = target.health_check.failure(then, listening=task.answers(now))
    target.check(failure, now)
    return failure


def _check_itself(task: Task, now: float, near: Neighbours) -> Failure:
    """Let the container check its own health, by its definition's ``healthCheck``."""
    task.next_own_check = now + _own_interval(task)
    behaviour = task.behaviour
    then = behaviour.at(task.running_seconds(now), database=near.database) if behaviour is not None else None
    if then is not None and then.passes_health_check and task.answers(now):
        task.failed_checks, task.health = 0, "HEALTHY"
        return None
    starting = task.running_seconds(now) < float(task.own_check.get("startPeriod") or 0)
    task.failed_checks += not starting
    if task.failed_checks >= int(task.own_check.get("retries") or OWN_RETRIES):
        task.health = "UNHEALTHY"
    return targets.REFUSED


def _own_interval(task: Task) -> float:
    return float(task.own_check.get("interval") or OWN_INTERVAL)


def _end(task: Task) -> float:
    """Return when the first of its essential containers ends by itself."""
    return min((_ends(task, behaviour) for _, behaviour in task.essential), default=inf)


def _ends(task: Task, behaviour: Behaviour) -> float:
    if task.started is None:
        return inf
    ends = [inf]
    if behaviour.crash_after is not None:
        ends.append(task.started + behaviour.crash_after)
    if behaviour.memory_growth > 0:
        ends.append(task.started + (100 - behaviour.memory) / behaviour.memory_growth * 60)
    if task.command:
        ends.append(task.started + behaviour.migration.seconds)
    return min(ends)


def _exit(task: Task, now: float, near: Neighbours) -> None:
    name, behaviour = min(task.essential, key=lambda container: _ends(task, container[1]))
    code = behaviour.exit_code
    if task.command and behaviour.crash_after is None:
        asked = behaviour.migration.exit_code
        code = int(not behaviour.database) if asked is None else asked
        task.news += behaviour.migration.log
        near.schema = (not code and behaviour.migration.to) or near.schema
    task.exit_codes[name] = code
    _stopped(task, 0)
    if code:
        task.news.append(f"ERROR:    {behaviour.log}")
    if code == KILLED:
        task.container_reason = "OutOfMemoryError: Container killed due to memory usage"
    task.ended = name
    _die(task, now, "EssentialContainerExited", "Essential container in task exited")


def _stopped(task: Task, code: int) -> None:
    """Note the exit code of each container that has not ended by itself."""
    for name, _, _ in task.images:
        task.exit_codes.setdefault(name, code if name == task.main else 0)


def _die(task: Task, now: float, code: str, reason: str) -> None:
    task.targets.clear()
    task.desired_status, task.stop_code, task.stopped_reason = "STOPPED", code, reason
    task.status, task.stopping, task.stopped, task.due = "STOPPED", now, now, inf
