"""Facts about a service, its task definition and its images, as they were found."""

from dataclasses import dataclass

from services.validator.domain.manifest import Platform


@dataclass(frozen=True, slots=True)
class Absent:
    """It was looked for, and does not exist or is being deleted."""

    detail: str
    """One sentence that names it."""


@dataclass(frozen=True, slots=True)
class Outside:
    """It is out of reach: an image in a registry that is not ECR's in the target's region."""

    detail: str
    """One sentence that names it."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """It could not be read, since something failed."""

    detail: str
    """One sentence that says why."""


@dataclass(frozen=True, slots=True)
class NotAsked:
    """Requests for a path are not sent, since this service would not be the one to answer them."""

    why: str
    """One sentence without a full stop."""


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


@dataclass(frozen=True, slots=True)
class TaskDefinition:
    """One revision of a task definition, without its environment, which may hold secrets."""

    arn: str
    active: bool
    platform: Platform
    """The platform on which its tasks run."""
    images: dict[str, str]
    """Container name → image reference as it is written there."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image in a registry."""

    digest: str
    """The digest of what the reference names, which may be an index."""
    platforms: frozenset[Platform] | Unknown
