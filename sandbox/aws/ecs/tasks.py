"""A task: what ECS and its container are doing at this moment (``task_lifecycle.py`` has its changes)."""

from dataclasses import dataclass, field
from math import inf
from typing import Any

from sandbox.aws.ecr.registry import Manifest
from sandbox.aws.ecs.definitions import Definition
from sandbox.aws.ecs.targets import State, Target
from sandbox.scenarios.behaviour import Behaviour

NOTICE_SECONDS = 15.0
"""How long ECS takes to notice that a health check calls a task unhealthy."""
STOP_TIMEOUT, LONGEST_STOP_TIMEOUT = 30.0, 120.0
"""Seconds that a container has after SIGTERM, and the most that Fargate gives it.

ECS developer guide, "Task definition parameters", container timeouts.
"""


@dataclass(frozen=True, slots=True)
class Registration:
    """Where a task is registered in Cloud Map."""

    service: str
    """The ARN of Cloud Map's service."""
    port: int | None
    """The port that is registered; None where only the address is."""


Resolved = tuple[str, str, Manifest | None]
"""A container's name, the reference of its image, and the manifest that the reference named; None for no image."""


@dataclass(slots=True)
class Task:
    """A task and its containers. One of them is the main one: it takes the requests, and its health is the task's."""

    id: str
    arn: str
    definition: Definition
    images: tuple[Resolved, ...]
    """Each container's name, its image's reference, and what that named when the deployment was created."""
    main: str
    """The name of the main container."""
    group: str
    started_by: str
    created: float
    address: str
    network: dict[str, Any]
    overrides: dict[str, Any] = field(default_factory=dict)
    tags: list[dict[str, str]] = field(default_factory=list)
    target_groups: tuple[tuple[str, int], ...] = ()
    """ARN and container port of each target group to register with."""
    provider: str = ""
    """The capacity provider that it runs on; empty where it has a launch type instead."""
    instance: str = ""
    """The ARN of its container instance; empty on Fargate."""

    registrations: tuple[Registration, ...] = ()
    registered: bool = False
    """Whether it was registered in Cloud Map, and not deregistered since."""
    status: str = "PROVISIONING"
    desired_status: str = "RUNNING"
    due: float = inf
    """When the next moment comes."""
    health: str = "UNKNOWN"
    targets: list[Target] = field(default_factory=list)
    proven: bool = False
    """Whether the task was once healthy, or has run for ``PROVEN_SECONDS`` where nothing checks its health."""
    next_own_check: float = inf
    failed_checks: int = 0
    """Failed checks of the container's own, in a row."""
    unhealthy_since: float = inf
    pull_started: float | None = None
    pull_stopped: float | None = None
    started: float | None = None
    stopping: float | None = None
    stopped: float | None = None
    stop_code: str = ""
    stopped_reason: str = ""
    exit_codes: dict[str, int] = field(default_factory=dict)
    """Container → its exit code, once it has ended."""
    container_reason: str = ""
    ended: str = ""
    """The container with whose end the task ended; empty where it did not."""
    news: list[str] = field(default_factory=list)
    """Lines that its container wrote since they were last taken."""

    @property
    def cluster(self) -> str:
        return self.arn.split("/")[1]

    @property
    def subnet(self) -> str:
        subnets = self.network.get("awsvpcConfiguration", {}).get("subnets") or [""]
        return str(subnets[int(self.id[:4], 16) % len(subnets)])

    @property
    def stop_timeout(self) -> float:
        """Return the seconds from SIGTERM until ECS kills its container."""
        return min(float(self.container.get("stopTimeout") or STOP_TIMEOUT), LONGEST_STOP_TIMEOUT)

    @property
    def container(self) -> dict[str, Any]:
        """Return the definition of its main container."""
        return self.definition.named(self.main)

    @property
    def own_check(self) -> dict[str, Any]:
        """Return the main container's own health check; empty where it has none."""
        check: dict[str, Any] = self.container.get("healthCheck") or {}
        return check

    @property
    def has_own_check(self) -> bool:
        return bool(self.own_check)

    @property
    def image(self) -> str:
        """Return the reference of the main container's image."""
        return next(reference for name, reference, _ in self.images if name == self.main)

    @property
    def manifest(self) -> Manifest | None:
        """Return the manifest of the main container's image."""
        return next(manifest for name, _, manifest in self.images if name == self.main)

    @property
    def behaviour(self) -> Behaviour | None:
        """Return the behaviour of the main container."""
        return self.manifest.behaviour if self.manifest else None

    @property
    def essential(self) -> list[tuple[str, Behaviour]]:
        """Return name and behaviour of each essential container: with its end the task ends."""
        wanted = {container["name"] for container in self.definition.containers if container.get("essential", True)}
        return [(name, manifest.behaviour) for name, _, manifest in self.images if name in wanted and manifest]

    @property
    def alive(self) -> bool:
        """Return whether the task is meant to run: neither stopped nor stopping."""
        return self.desired_status == "RUNNING"

    @property
    def checked(self) -> bool:
        """Return whether its health is checked, by a load balancer or by the container's own check."""
        return bool(self.target_groups) or self.has_own_check

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
        """Return whether the task runs a one-off command instead of the image's own."""
        return any(override.get("command") for override in self.overrides.get("containerOverrides", ()))

    @property
    def running_since(self) -> float:
        return self.started if self.started is not None else inf

    def replaceable(self, grace: float) -> float:
        """Return when its service replaces it because it is unhealthy; infinity while it is healthy."""
        return max(self.unhealthy_since + NOTICE_SECONDS, self.running_since + grace)

    def running_seconds(self, now: float) -> float:
        return max(0.0, now - self.running_since)

    def memory(self, now: float) -> float:
        """Return the memory in use, in per cent of what the task was given."""
        if self.behaviour is None:
            return 0.0
        return min(100.0, self.behaviour.memory + self.behaviour.memory_growth * self.running_seconds(now) / 60)

    def answers(self, now: float) -> bool:
        """Return whether its container has started and listens."""
        return (
            self.status == "RUNNING"
            and self.behaviour is not None
            and self.running_seconds(now) >= self.behaviour.start_seconds
        )

    def _passes_checks(self) -> bool:
        ready = all(target.state is State.HEALTHY for target in self.targets)
        return ready and (not self.has_own_check or self.health == "HEALTHY")
