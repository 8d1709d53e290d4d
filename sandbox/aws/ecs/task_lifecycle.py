"""The lifecycle of a task, as a sequence of moments: each changes the task and sets the time of the next.

PROVISIONING → PENDING → ACTIVATING → RUNNING, and then to STOPPED by itself (its container exits) or on
request (DEACTIVATING while its target drains → STOPPING → DEPROVISIONING → STOPPED). How long each takes
is of the order that Fargate shows.
"""

from math import inf
from random import Random

from sandbox.aws.ecs import start_failures, targets
from sandbox.aws.ecs.neighbours import Neighbours
from sandbox.aws.ecs.targets import State, Target
from sandbox.aws.ecs.tasks import Task

PROVISIONING_SECONDS = (5.0, 10.0)
PULL_SECONDS = (8.0, 12.0)
ACTIVATING_SECONDS = 2.0
DEPROVISIONING_SECONDS = 5.0
PROVEN_SECONDS = 40.0
"""Seconds of RUNNING after which ECS counts a task without health checks as started successfully."""
COMMAND_SECONDS = 8.0
"""How long a one-off command (a migration) runs."""
FAILED_TO_START, INTERRUPTED = "TaskFailedToStart", "SpotInterruption"
"""Stop codes."""
KILLED = 137
"""The exit code of SIGKILL."""


def advance(task: Task, now: float, random: Random, near: Neighbours) -> None:
    """Live through the moment that is due at ``now``."""
    match task.status:
        case "PROVISIONING" if task.due == inf:
            task.due = now + random.uniform(*PROVISIONING_SECONDS)
        case "PROVISIONING" if why := start_failures.unplaced(task, near):
            _die(task, now, FAILED_TO_START, why)
        case "PROVISIONING":
            task.status, task.pull_started = "PENDING", now
            task.due = now + random.uniform(*PULL_SECONDS)
        case "PENDING":
            _pulled(task, now, start_failures.unmade(task, near))
        case "ACTIVATING":
            _run(task, now)
        case "RUNNING":
            _live(task, now)
        case "DEACTIVATING":
            task.targets.clear()
            _terminate(task, now)
        case "STOPPING":
            task.targets.clear()
            task.exit_code = KILLED if _outlives(task) else 0
            task.status, task.due = "DEPROVISIONING", now + DEPROVISIONING_SECONDS
        case "DEPROVISIONING":
            task.status, task.stopped, task.due = "STOPPED", now, inf
        case _:
            task.due = inf


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


def _run(task: Task, now: float) -> None:
    task.status, task.started = "RUNNING", now
    if task.behaviour is not None and task.behaviour.crash_after is None and not task.command:
        task.news.append("INFO:     Uvicorn running on http://0.0.0.0:8000")
    task.targets = [Target(group, task.address, port) for group, port in task.target_groups]
    task.next_check = now + targets.INTERVAL if task.checked else now + PROVEN_SECONDS
    task.due = min(task.next_check, _end(task))


def _live(task: Task, now: float) -> None:
    """Live through a moment of RUNNING: the container ends, or its health is checked."""
    if now >= _end(task):
        _exit(task, now)
        return
    if now >= task.next_check:
        _check(task, now)
    task.proven = task.proven or (task.checked and task.healthy)
    task.due = min(task.next_check, _end(task))


def _check(task: Task, now: float) -> None:
    if not task.checked:
        task.next_check, task.proven = inf, True
        return
    failure = health_failure(task, now)
    for target in task.targets:
        target.check(failure)
    task.failed_checks = 0 if failure is None else task.failed_checks + 1
    if "healthCheck" in task.definition.container:
        if failure is None:
            task.health = "HEALTHY"
        elif task.failed_checks >= targets.UNHEALTHY_AFTER:
            task.health = "UNHEALTHY"
    if failure is not None and task.answers(now) and task.behaviour is not None:
        task.news.append(f"ERROR:    {task.behaviour.log}")
    task.unhealthy_since = min(task.unhealthy_since, now) if task.unhealthy else inf
    settled = failure is None and task.healthy and not (task.behaviour and task.behaviour.falls_ill)
    task.next_check = inf if settled else now + targets.INTERVAL


def health_failure(task: Task, now: float) -> tuple[str, str] | None:
    """Return the reason code and description of a failing health check at ``now``; None when it passes."""
    if not task.answers(now):
        return targets.TIMEOUT
    passes = task.behaviour is not None and task.behaviour.at(task.running_seconds(now)).passes_health_check
    return None if passes else targets.MISMATCH


def _end(task: Task) -> float:
    """Return when the container ends by itself."""
    if task.started is None or task.behaviour is None:
        return inf
    behaviour = task.behaviour
    ends = [inf]
    if behaviour.crash_after is not None:
        ends.append(task.started + behaviour.crash_after)
    if behaviour.memory_growth > 0:
        ends.append(task.started + (100 - behaviour.memory) / behaviour.memory_growth * 60)
    if task.command:
        ends.append(task.started + COMMAND_SECONDS)
    return min(ends)


def _exit(task: Task, now: float) -> None:
    behaviour = task.behaviour
    if behaviour is None:
        return
    if task.command and behaviour.crash_after is None:
        task.exit_code = 0 if behaviour.database else 1
    else:
        task.exit_code = behaviour.exit_code
    if task.exit_code:
        task.news.append(f"ERROR:    {behaviour.log}")
    if task.exit_code == KILLED:
        task.container_reason = "OutOfMemoryError: Container killed due to memory usage"
    _die(task, now, "EssentialContainerExited", "Essential container in task exited")


def _die(task: Task, now: float, code: str, reason: str) -> None:
    task.targets.clear()
    task.desired_status, task.stop_code, task.stopped_reason = "STOPPED", code, reason
    task.status, task.stopping, task.stopped, task.due = "STOPPED", now, now, inf
