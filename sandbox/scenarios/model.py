"""The format of scenarios. Times are product seconds, counted from the request unless said otherwise."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from contracts.deployment import Cause, DeploymentConfig, Outcome
from contracts.monitor import CriticalRule
from sandbox.scenarios.behaviour import Behaviour
from sandbox.scenarios.incident import Incident
from sandbox.scenarios.traffic import Traffic


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Config(DeploymentConfig):
    """The ``deployment_config`` of the request, in which unknown keys are errors."""

    model_config = ConfigDict(extra="forbid")


class Alarm(_Frozen):
    """An alarm over the service that exists before the deployment."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9 _.:-]{1,255}$")]
    metric: Literal["CPUUtilization", "MemoryUtilization"]
    above: Annotated[float, Field(ge=0, le=100)]
    """Threshold in per cent; the alarm fires after a minute above it."""


class ScheduledIncident(Incident):
    """An incident at a time while the deployment is under way."""

    at: Annotated[float, Field(ge=0, le=14_400)]
    moves_tag_to: str | None = None
    """The tag that is being deployed is moved to the image of this one."""

    @field_validator("deploys", "moves_tag_to")
    @classmethod
    def _is_there(cls, tag: str | None, info: ValidationInfo) -> str | None:
        """Check that a tag exists, where the validation's context has the repository's ``tags``."""
        tags = (info.context or {}).get("tags")
        if tag is not None and tags is not None and tag not in tags:
            raise ValueError(f"there is no image {tag}; there are {', '.join(sorted(tags))}")
        return tag


class World(_Frozen):
    """The conditions of the service."""

    hour: Annotated[float, Field(ge=0, lt=24)] = 14
    """Hour of the request, UTC, on a Monday."""
    tasks: Annotated[int, Field(ge=0, le=20)] = 3
    spot: bool = False
    """Its tasks run on Fargate Spot."""
    strategy: Literal["ROLLING", "BLUE_GREEN", "LINEAR", "CANARY"] = "ROLLING"
    """How the service is deployed by ECS."""
    traffic: Traffic = Traffic()
    history_days: Annotated[int, Field(ge=0, le=14)] = 1
    """Days of metrics before the deployment."""
    alarms: tuple[Alarm, ...] = ()
    happenings: tuple[ScheduledIncident, ...] = ()


class Expected(_Frozen):
    """The expected end; fields that are not set may have any value."""

    outcome: Outcome
    cause: Cause | None = None
    says: tuple[str, ...] = ()
    """Texts that the reason must contain."""
    rolled_back_by: Literal["surefoot", "ecs", "other"] | None = None
    changes: Annotated[int, Field(ge=0)] | None = None
    """Deployments that Surefoot itself begins at AWS, its rollbacks included."""
    watch: Annotated[float, Field(ge=0, le=14_400)] = 0
    """Seconds after the end for which events are still counted."""
    alerts: frozenset[CriticalRule] | None = None
    """Rules of the critical alerts that are raised, from the request until the watch is over."""


class Scenario(_Frozen):
    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
    """Name of the file, and tag of the image."""
    teaches: Annotated[str, Field(min_length=1)]
    """One sentence."""
    change: Literal["image", "check_up"] = "image"
    """What is asked for: the image, or nothing at all, so that the deployment under way is observed, or what is live
    is checked."""
    image: Behaviour = Behaviour()
    world: World = World()
    config: Config = Config()
    expect: Expected
