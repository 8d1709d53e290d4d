"""What AWS reports about a service. Environment values are not read at all."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NotObserved:
    """It could not be looked at, which is neither good nor bad."""

    why: str


@dataclass(frozen=True, slots=True)
class Container:
    name: str
    exit_code: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class StoppedTask:
    """A task that ended within the last hour or so, which is how long ECS remembers it."""

    arn: str
    deployment_id: str
    """The id of the deployment that started it."""
    stopped_at: float
    """Product time, epoch seconds."""
    stop_code: str
    reason: str
    failed: bool
    """Whether it ended by itself, never started, or was stopped for its health: not replaced, not scaled in."""
    containers: tuple[Container, ...] = ()

    @property
    def text(self) -> str:
        """Return all reasons that ECS gives, for the rules to read."""
        return "; ".join(
            dict.fromkeys(filter(None, (self.reason, *(container.reason for container in self.containers))))
        )

    @property
    def exit_codes(self) -> tuple[int, ...]:
        return tuple(container.exit_code for container in self.containers if container.exit_code is not None)


@dataclass(frozen=True, slots=True)
class Deployment:
    id: str
    status: str
    """PRIMARY, or ACTIVE while it is being replaced."""
    task_definition: str
    failed_tasks: int = 0
    rollout_state: str | None = None
    """COMPLETED, FAILED, IN_PROGRESS; None with a deployment controller other than ECS."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ServiceEvent:
    at: float
    """Product time, epoch seconds."""
    message: str


@dataclass(frozen=True, slots=True)
class Service:
    desired: int
    running: int
    pending: int
    deployments: tuple[Deployment, ...]
    events: tuple[ServiceEvent, ...] = ()
    """The latest 100 at most, newest first."""
    target_groups: tuple[str, ...] = ()
    """ARNs."""
    being_deleted: str | None = None
    """A sentence if the service is being deleted, which takes until its last task has stopped."""

    @property
    def primary(self) -> Deployment | None:
        return next((deployment for deployment in self.deployments if deployment.status == "PRIMARY"), None)


@dataclass(frozen=True, slots=True)
class TargetHealth:
    group: str
    """The ARN of its target group."""
    address: str
    state: str
    """healthy, initial, unhealthy, unused, draining, unavailable."""
    reason: str = ""
    """AWS's reason code, ``Target.Timeout`` for instance."""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    service: Service | None
    """None: ECS knows no such service."""
    stopped: tuple[StoppedTask, ...] | NotObserved = ()
    """Newest first, at most 100."""
    targets: tuple[TargetHealth, ...] | NotObserved | None = None
    """None: there is no load balancer."""

    @property
    def unseen(self) -> tuple[str, ...]:
        """Why parts of the evidence are missing; empty when all of it is there."""
        return tuple(part.why for part in (self.stopped, self.targets) if isinstance(part, NotObserved))

    @property
    def sources(self) -> int:
        """The number of sources that there were to read."""
        return 2 if self.targets is None else 3
