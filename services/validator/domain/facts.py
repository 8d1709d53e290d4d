"""What was found out about a service, its task definition and its images."""

from dataclasses import dataclass

from services.validator.domain.manifest import Platform


@dataclass(frozen=True, slots=True)
class Absent:
    """It was looked for, and it is not there, or is being deleted."""

    detail: str
    """One sentence that names it."""


@dataclass(frozen=True, slots=True)
class Outside:
    """It is where nobody can look from here: an image in another registry."""

    detail: str
    """One sentence that names it."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """It could not be looked at, since something failed."""

    detail: str
    """One sentence that says why."""


@dataclass(frozen=True, slots=True)
class LiveService:
    """An ECS service as it is now."""

    task_definition: str | None
    """Its ARN; None with an EXTERNAL deployment controller, whose task sets have their own."""
    target_groups: tuple[str, ...]
    """ARNs."""
    deployment_id: str | None = None
    """The primary deployment's; None with another controller than ECS's own."""
    rolling_out: bool = False
    """Whether that deployment has not come to its end yet."""


@dataclass(frozen=True, slots=True)
class TaskDefinition:
    """One revision. Its environment, which may hold secrets, stays out of here."""

    arn: str
    active: bool
    platform: Platform
    """What its tasks run on."""
    images: dict[str, str]
    """Container name → image reference as it is written there."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image in a registry."""

    digest: str
    """Of what the reference names: of the index, if it is one."""
    platforms: frozenset[Platform] | Unknown
