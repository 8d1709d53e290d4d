"""Facts about a service, its task definition and its images, as they were found."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.validator.domain.manifest import Platform


@dataclass(frozen=True, slots=True)
class Absent:
    """It was looked for, and does not exist or is being deleted."""

    detail: str
    """One sentence that names it."""


@dataclass(frozen=True, slots=True)
class Outside:
    """It is out of reach: an image that ECS may well pull, and that nobody can look up from here."""

    detail: str
    """One sentence that names it."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """It could not be read, since something failed."""

    detail: str
    """One sentence that says why."""


@dataclass(frozen=True, slots=True)
class NotAsked:
    """Requests for a path are not sent: another would answer them than this service, or nobody knows who."""

    why: str
    """One sentence without a full stop."""
    unread: bool = False
    """Whether AWS did not say where they can be sent."""


@dataclass(frozen=True, slots=True)
class Balancer:
    """A container and its port to which a load balancer sends."""

    container: str
    port: int | None
    group: str | None
    """The target group's ARN; None behind a classic load balancer."""


@dataclass(frozen=True, slots=True)
class LiveService:
    """An ECS service as it is now."""

    task_definition: str | None
    """Its ARN; None with an EXTERNAL deployment controller, whose task sets have their own."""
    target_groups: tuple[str, ...]
    """ARNs."""
    deployment_id: str | None = None
    """Id of the primary deployment; None with another controller than ECS's own."""
    rolling_out: bool = False
    """Whether that deployment has not ended yet."""
    controller: str = "ECS"
    strategy: str = "ROLLING"
    daemon: bool = False
    desired: int | None = None
    """How many tasks are wanted; None where ECS leaves it out."""
    minimum_percent: float = 100
    maximum_percent: float = 200
    launch_type: str | None = None
    """FARGATE, EC2 or EXTERNAL; None where it is not known."""
    has_network: bool | None = None
    """Whether it has a network configuration, as the network mode awsvpc needs; None where it is not known."""
    balancers: tuple[Balancer, ...] = ()


@dataclass(frozen=True, slots=True)
class TaskDefinition:
    """One revision of a task definition, without its environment, which may hold secrets."""

    arn: str
    active: bool
    platform: Platform
    """The platform on which its tasks run."""
    images: dict[str, str]
    """Container name → image reference as it is written there."""
    family: str = ""
    task_role: str | None = None
    execution_role: str | None = None
    """ARNs or names; None where it has none."""
    network_mode: str = "awsvpc"
    launch_types: frozenset[str] = frozenset()
    """The launch types that ECS has found it fit for; empty where that is not known."""
    ports: Mapping[str, tuple[range, ...]] = field(default_factory=dict)
    """Container name → the ports that it maps."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image in a registry."""

    digest: str
    """The digest of what the reference names, which may be an index."""
    platforms: frozenset[Platform] | Unknown
