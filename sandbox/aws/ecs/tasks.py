"""One task's life, as a list of moments: each moment changes the task and says when the next one comes.

PROVISIONING → PENDING → ACTIVATING → RUNNING, and then to STOPPED by itself (its container exits) or on
request (DEACTIVATING while its target drains → STOPPING → DEPROVISIONING → STOPPED). How long each takes
is of the order that Fargate shows.
"""

from dataclasses import dataclass, field
from math import inf
from random import Random
from typing import Any

from sandbox.aws.ecs import targets
from sandbox.aws.ecs.definitions import Definition
from sandbox.aws.ecs.targets import State, Target
from sandbox.aws.images import Behaviour
from sandbox.aws.registry import Manifest

PROVISIONING_SECONDS = (5.0, 10.0)
PULL_SECONDS = (8.0, 12.0)
ACTIVATING_SECONDS = 2.0
STOPPING_SECONDS = 3.0
DEPROVISIONING_SECONDS = 5.0
PROVEN_SECONDS = 40.0
"""Without any health check ECS takes a task for good after this long in RUNNING."""
NOTICE_SECONDS = 15.0
"""How long ECS takes to notice that a health check calls a task unhealthy."""
COMMAND_SECONDS = 8.0
"""How long a one-off command (a migration) runs."""


@dataclass(slots=True)
class Task:
    """A task and its one essential container."""

    id: str
    arn: str
    definition: Definition
    image: str
    """The reference of the essential container, as the task definition has it."""
    manifest: Manifest | None
    """What that reference named when the deployment (or the task) was created."""
    group: str
    started_by: str
    created: float
    address: str
    network: dict[str, Any]
    overrides: dict[str, Any] = field(default_factory=dict)
    tags: list[dict[str, str]] = field(default_factory=list)
    target_groups: tuple[tuple[str, int], ...] = ()
    """ARN and container port of each target group to register with."""
    obstacle: str = ""
    """Why it cannot even begin to start, in the words of ECS."""

    status: str = "PROVISIONING"
    desired_status: str = "RUNNING"
    due: float = inf
    """When the next moment comes."""
    health: str = "UNKNOWN"
    targets: list[Target] = field(default_factory=list)
    proven: bool = False
    """It once was what its service wants: healthy, or running long enough where nothing checks."""
    next_check: float = inf
    failed_checks: int = 0
    unhealthy_since: float = inf
    pull_started: float | None = None
    pull_stopped: float | None = None
    started: float | None = None
    stopping: float | None = None
    stopped: float | None = None
    stop_code: str = ""
    stopped_reason: str = ""
    exit_code: int | None = None
    container_reason: str = ""
    news: list[str] = field(default_factory=list)
    """Lines that its container wrote since somebody last took them."""

    @property
    def cluster(self) -> str:
        return self.arn.split("/")[1]

    @property
    def behaviour(self) -> Behaviour | None:
        return self.manifest.behaviour if self.manifest else None

    @property
    def alive(self) -> bool:
        """Meant to run: neither stopped nor on its way there."""
        return self.desired_status == "RUNNING"

    @property
    def checked(self) -> bool:
        """Something looks at its health: a load balancer, or the container's own check."""
        return bool(self.target_groups) or "healthCheck" in self.definition.container

    @property
    def healthy(self) -> bool:
        if self.status != "RUNNING" or not self.alive:
            return False
        return self.health != "UNHEALTHY" and (self._passes_checks() if self.checked else True)

    @property
    def unhealthy(self) -> bool:
        return self.alive and (
            any(target.state is State.UNHEALTHY for target in self.targets) or self.health == "UNHEALTHY"
        )

    @property
    def command(self) -> bool:
        """A one-off command that replaces what the image would run."""
        return any(one.get("command") for one in self.overrides.get("containerOverrides", ()))

    @property
    def running_since(self) -> float:
        return self.started if self.started is not None else inf

    def replaceable(self, grace: float) -> float:
        """When its service replaces it for its health; never while it is healthy."""
        return max(self.unhealthy_since + NOTICE_SECONDS, self.running_since + grace)

    def running_seconds(self, now: float) -> float:
        return max(0.0, now - self.running_since)

    def memory(self, now: float) -> float:
        """Per cent of what the task was given."""
        if self.behaviour is None:
            return 0.0
        return min(100.0, self.behaviour.memory + self.behaviour.memory_growth * self.running_seconds(now) / 60)

    def answers(self, now: float) -> bool:
        """Its container has started and listens."""
        return (
            self.status == "RUNNING"
            and self.behaviour is not None
            and self.running_seconds(now) >= self.behaviour.start_seconds
        )

    def _passes_checks(self) -> bool:
        ready = all(target.state is State.HEALTHY for target in self.targets)
        return ready and ("healthCheck" not in self.definition.container or self.health == "HEALTHY")


def advance(task: Task, now: float, random: Random) -> None:
    """Live through the moment that is due at ``now``."""
    match task.status:
        case "PROVISIONING" if task.due == inf:
            task.due = now + random.uniform(*PROVISIONING_SECONDS)
        case "PROVISIONING":
            task.status, task.pull_started = "PENDING", now
            task.due = now + random.uniform(*PULL_SECONDS)
        case "PENDING":
            _pulled(task, now)
        case "ACTIVATING":
            _run(task, now)
        case "RUNNING":
            _live(task, now)
        case "DEACTIVATING":
            task.targets.clear()
            task.status, task.due = "STOPPING", now + STOPPING_SECONDS
        case "STOPPING":
            task.exit_code = task.exit_code if task.exit_code is not None else 0
            task.status, task.due = "DEPROVISIONING", now + DEPROVISIONING_SECONDS
        case "DEPROVISIONING":
            task.status, task.stopped, task.due = "STOPPED", now, inf
        case _:
            task.due = inf


def stop(task: Task, now: float, code: str, reason: str) -> None:
    """Ask a task to stop; its target drains first when it was in service."""
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
        task.status, task.due = "DEACTIVATING", now + targets.DRAINING_SECONDS
    else:
        task.targets.clear()
        task.status, task.due = "STOPPING", now + STOPPING_SECONDS


def pull_failure(task: Task) -> str | None:
    """Why the image cannot be pulled, in the words of the container runtime; None when it can."""
    if task.obstacle:
        return task.obstacle
    if task.manifest is None:
        return (
            "CannotPullContainerError: pull image manifest has been retried 5 time(s): "
            f"failed to resolve ref {task.image}: {task.image}: not found"
        )
    if task.definition.platform not in task.manifest.platforms:
        return (
            "CannotPullContainerError: pull image manifest has been retried 5 time(s): image Manifest does "
            f"not contain descriptor matching platform '{task.definition.platform}'"
        )
    return None


def _pulled(task: Task, now: float) -> None:
    task.pull_stopped = now
    failure = pull_failure(task)
    if failure is None:
        task.status, task.due = "ACTIVATING", now + ACTIVATING_SECONDS
        return
    task.container_reason = failure
    _die(task, now, "TaskFailedToStart", failure)


def _run(task: Task, now: float) -> None:
    task.status, task.started = "RUNNING", now
    if task.behaviour is not None and task.behaviour.crash_after is None and not task.command:
        task.news.append("INFO:     Uvicorn running on http://0.0.0.0:8000")
    task.targets = [Target(group, task.address, port) for group, port in task.target_groups]
    task.next_check = now + targets.INTERVAL if task.checked else now + PROVEN_SECONDS
    task.due = min(task.next_check, _end(task))


def _live(task: Task, now: float) -> None:
    """One moment of RUNNING: the container ends, or somebody looks at its health."""
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
    """What a health check finds at ``now``: None when it passes."""
    if not task.answers(now):
        return targets.TIMEOUT
    passes = task.behaviour is not None and task.behaviour.at(task.running_seconds(now)).passes_health_check
    return None if passes else targets.MISMATCH


def _end(task: Task) -> float:
    """When the container ends by itself."""
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
    if task.exit_code == 137:
        task.container_reason = "OutOfMemoryError: Container killed due to memory usage"
    _die(task, now, "EssentialContainerExited", "Essential container in task exited")


def _die(task: Task, now: float, code: str, reason: str) -> None:
    task.targets.clear()
    task.desired_status, task.stop_code, task.stopped_reason = "STOPPED", code, reason
    task.status, task.stopping, task.stopped, task.due = "STOPPED", now, now, inf
