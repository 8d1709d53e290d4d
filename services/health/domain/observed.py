"""What was seen of a service from outside, and what could not be."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from contracts.limits import error_rate


@dataclass(frozen=True, slots=True)
class NotObserved:
    """It could not be looked at, which is neither good nor bad."""

    why: str


@dataclass(frozen=True, slots=True)
class Deployment:
    """One entry of ``deployments[]`` of ``DescribeServices``."""

    id: str
    status: str
    """PRIMARY, ACTIVE (being replaced) or INACTIVE."""
    task_definition: str
    desired: int
    running: int
    failed_tasks: int = 0
    """ECS's count since its last reset; a task that turns healthy resets it."""
    rollout_state: str | None = None
    """COMPLETED, FAILED, IN_PROGRESS; None with a deployment controller other than ECS."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Service:
    """One ECS service at one moment."""

    desired: int
    running: int
    deployments: tuple[Deployment, ...]
    events: tuple[str, ...] = ()
    """The latest 100 at most, newest first."""
    target_groups: tuple[str, ...] = ()
    """ARNs."""
    rollout: str | None = None
    """The ARN of the current service deployment."""
    being_deleted: str | None = None
    """A sentence if the service is being deleted, which takes until its last task has stopped."""

    @property
    def primary(self) -> Deployment | None:
        return next((found for found in self.deployments if found.status == "PRIMARY"), None)

    def deployment(self, id_: str | None) -> Deployment | None:
        return next((found for found in self.deployments if found.id == id_), None)

    def others(self, id_: str | None) -> int:
        """Return how many tasks of other deployments run; one that drains does not run any more."""
        return sum(deployment.running for deployment in self.deployments if deployment.id != id_)


@dataclass(frozen=True, slots=True)
class Rollout:
    """How a service deployment went, as ``DescribeServiceDeployments`` reports it."""

    status: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class StoppedTask:
    """A task that stopped within the last hour or so."""

    arn: str
    deployment_id: str
    """The id of the deployment that started it."""
    stop_code: str
    reason: str
    failed: bool
    """Whether it ended by itself, never started, or was stopped for its health: not replaced, not scaled in."""
    exit_codes: tuple[int, ...] = ()

    @property
    def summary(self) -> str:
        """Why it stopped, in one phrase."""
        by_itself = self.stop_code == "EssentialContainerExited"
        codes = ", ".join(str(code) for code in self.exit_codes) if by_itself else ""
        return f"{self.reason[:300]}{f' (exit code {codes})' if codes else ''}"


@dataclass(frozen=True, slots=True)
class TargetHealth:
    """One address of one target group."""

    group: str
    address: str
    state: str
    """healthy, initial, unhealthy, unused, draining, unavailable."""
    reason: str = ""
    """AWS's reason code, ``Target.Timeout`` for instance."""


@dataclass(frozen=True, slots=True)
class Measurements:
    """CloudWatch's numbers over ``minutes``; None where there was no point.

    CPU and memory are per cent of what the tasks were given, averaged. Counts are sums. ``p95_seconds`` is the
    median of the minutes' 95th percentiles: percentiles of minutes cannot be added up, and one bad minute should not
    stand for five.
    """

    minutes: int
    cpu: float | None = None
    memory: float | None = None
    p95_seconds: float | None = None
    requests: float = 0
    target_5xx: float = 0
    balancer_5xx: float = 0

    @property
    def error_rate(self) -> float | None:
        """Per cent of all requests; None where there were none."""
        return error_rate(self.requests, self.target_5xx, self.balancer_5xx)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the application answered; without a status it accepted the connection and did not answer."""

    status: int | None
    document: object = None
    """The body, where it is JSON."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that a score rests on. None means that there is no such thing to observe."""

    service: Service | NotObserved | None
    targets: tuple[TargetHealth, ...] | NotObserved | None = None
    measurements: Measurements | NotObserved = NotObserved("nobody looked")
    balanced: bool = False
    """Whether an application load balancer counts its requests; also where that could not be observed."""
    health: Answer | NotObserved | None = None
    """None, here and below, also where nobody can ask the application itself."""
    ready: Answer | NotObserved | None = None
    endpoints: Mapping[str, Answer | NotObserved] = field(default_factory=dict)
