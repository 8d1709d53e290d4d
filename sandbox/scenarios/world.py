"""The conditions of a scenario: what stands there before it begins, and what happens meanwhile."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from sandbox.scenarios.behaviour import Behaviour
from sandbox.scenarios.frozen import Frozen
from sandbox.scenarios.incident import Incident
from sandbox.scenarios.infrastructure import Infrastructure
from sandbox.scenarios.service import CapacityProvider, DeploymentConfiguration
from sandbox.scenarios.traffic import Traffic

EARLIEST, LATEST = -86_400.0, 14_400.0
"""Seconds before and after the request, within which something can happen."""


AlarmName = Annotated[str, Field(pattern=r"^[A-Za-z0-9 _.:-]{1,255}$")]
OF_TASKS, OF_REQUESTS = ("CPUUtilization", "MemoryUtilization"), ("HTTPCode_Target_5XX_Count", "TargetResponseTime")


class Alarm(Frozen):
    """An alarm that exists before the deployment: over a metric of the service, or composite.

    It is named in ``service.deployment_configuration.alarms``, by the policy (``monitoring.alarms``), or nowhere.
    """

    name: AlarmName
    metric: str | None = None
    """A metric of ECS (``CPUUtilization``, ``MemoryUtilization``) or of the load balancer
    (``HTTPCode_Target_5XX_Count``, ``TargetResponseTime``); any other is one of the application, without data."""
    above: Annotated[float, Field(ge=0)] = 0
    """The threshold, in the metric's unit; of response times the average counts, of errors the sum of a period."""
    period: Annotated[int, Field(ge=60, le=3600, multiple_of=60)] = 60
    evaluation_periods: Annotated[int, Field(ge=1, le=60)] = 1
    datapoints_to_alarm: Annotated[int, Field(ge=1, le=60)] | None = None
    """None: all of ``evaluation_periods``."""
    treat_missing_data: Literal["missing", "breaching", "notBreaching", "ignore"] = "missing"
    rule: str | None = None
    """The AlarmRule of a composite alarm: ``ALARM("errors") OR ALARM("cpu-high")``."""
    muted: bool = False
    """Whether an alarm mute rule holds for it all the time."""
    evaluation_state: Literal["EVALUATION_ERROR", "EVALUATION_FAILURE", "PARTIAL_DATA"] | None = None
    """What keeps CloudWatch from evaluating it."""

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.metric is None) == (self.rule is None):
            raise ValueError("an alarm has a metric, or it is composite and has a rule")
        return self


class OtherImage(Behaviour):
    """An image beside the one that is deployed: of the sandbox's repository, or of any other."""

    pull_through: bool = False
    """It belongs to a pull-through cache of ECR, which lists it only when something has been pulled through it."""
    readable: bool = True
    """Whether Surefoot may look into its repository. ECS can pull it in any case."""


class ScheduledIncident(Incident):
    """An incident at a time."""

    at: Annotated[float, Field(ge=EARLIEST, le=LATEST)]
    """Seconds after the request; before it where negative."""
    moves_tag_to: str | None = None
    """The tag that is being deployed is moved to the image of this one."""

    @field_validator("deploys", "moves_tag_to", "deletes_image")
    @classmethod
    def _is_there(cls, tag: str | None, info: ValidationInfo) -> str | None:
        """Check that a tag exists, where the validation's context has the repository's ``tags``."""
        tags = (info.context or {}).get("tags")
        if tag is not None and tags is not None and tag not in tags:
            raise ValueError(f"there is no image {tag}; there are {', '.join(sorted(tags))}")
        return tag


class World(Infrastructure):
    """The conditions of the service, and the infrastructure in which it runs."""

    hour: Annotated[float, Field(ge=0, lt=24)] = 14
    """Hour of the request, UTC, on a Monday."""
    tasks: Annotated[int, Field(ge=0, le=200)] | None = None
    """Another word for ``service.desired_count``."""
    spot: bool = False
    """Its tasks run on Fargate Spot: another word for a ``capacity_provider_strategy``."""
    strategy: Literal["ROLLING", "BLUE_GREEN", "LINEAR", "CANARY"] = "ROLLING"
    """Another word for the strategy of ``service.deployment_configuration``."""
    traffic: Traffic = Traffic()
    history_days: Annotated[int, Field(ge=0, le=14)] = 1
    """Days of metrics before the deployment."""
    clock_ahead: Annotated[float, Field(ge=-3600, le=3600)] = 0
    """Seconds by which AWS's clock is ahead of Surefoot's; behind it where negative."""
    alarms: tuple[Alarm, ...] = ()
    images: Mapping[str, OtherImage] = {}
    """Other images: by tag in the sandbox's repository, by a whole reference anywhere else."""
    happenings: tuple[ScheduledIncident, ...] = ()

    @model_validator(mode="after")
    def _knows_whom_it_happens_to(self) -> Self:
        names = {service.service_name for service in self.services}
        for incident in self.happenings:
            if incident.service is not None and incident.service not in names:
                raise ValueError(f"there is no service {incident.service}; there are {', '.join(sorted(names))}")
        return self

    @property
    def infrastructure(self) -> Infrastructure:
        """Return the infrastructure, with what the world's short words say of the service."""
        changes: dict[str, Any] = {}
        if self.tasks is not None:
            changes["desired_count"] = self.tasks
        if self.spot:
            changes["capacity_provider_strategy"] = (CapacityProvider(capacity_provider="FARGATE_SPOT"),)
        if self.strategy != "ROLLING":
            changes["deployment_configuration"] = DeploymentConfiguration(strategy=self.strategy)
        return self.model_copy(update={"service": self.service.changed(**changes)})

    @model_validator(mode="after")
    def _has_each_once(self) -> Self:
        given = self.service.model_fields_set
        for word, short, whole in (
            ("tasks", self.tasks is not None, "desired_count"),
            ("spot", self.spot, "capacity_provider_strategy"),
            ("strategy", self.strategy != "ROLLING", "deployment_configuration"),
        ):
            if short and whole in given:
                raise ValueError(f"{word} and service.{whole} say the same; keep one of them")
        return self
