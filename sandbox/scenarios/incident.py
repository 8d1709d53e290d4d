"""Incidents of a running simulated AWS, which a scenario schedules or a person causes."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sandbox.scenarios.behaviour import Share

MOST_TASKS = 200
By = Literal[
    "person", "cli", "terraform", "cloudformation", "cdk", "github-actions", "codedeploy", "another-surefoot",
    "autoscaler",
]  # fmt: skip
"""Who changes a service besides Surefoot: a person in the console or with the CLI, a tool, a service of AWS."""


StackStatus = Literal[
    "CREATE_COMPLETE", "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_COMPLETE", "UPDATE_FAILED",
    "UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE",
    "UPDATE_ROLLBACK_FAILED", "DELETE_IN_PROGRESS",
]  # fmt: skip
"""States of a stack that has been made (CloudFormation API reference, Stack)."""


class Incident(BaseModel):
    """An incident. Each field that is set happens at once; the others stay as they are."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    database: Literal["away", "back"] | None = None
    """The database itself."""
    capacity: Literal["gone", "back"] | None = None
    """Fargate has no room for another task."""
    subnets: Literal["full", "back"] | None = None
    """The subnets have no address for another task."""
    secrets: Literal["gone", "back"] | None = None
    """ECS finds none of the secrets and parameters that task definitions name."""
    metrics_late: Annotated[float, Field(ge=0, le=3600)] | None = None
    """CloudWatch has a minute's metrics so many seconds late from now on."""
    events_lost: Share | None = None
    """Share of the events of EventBridge and alarms that are lost from now on."""
    interrupts: Annotated[int, Field(ge=1, le=MOST_TASKS)] | None = None
    """Fargate takes back so many of the tasks that run on Spot, the oldest first."""
    service: str | None = None
    """The service to which ``scale_to``, ``deploys``, ``users``, ``deletes`` and what befalls its stack happen; None:
    the first one."""
    users: Annotated[float, Field(gt=0, le=100)] | None = None
    """So many times as many users come from now on as usually. Beyond 1 they keep the processors busy, so that as many
    times the tasks that are wanted now would be as busy as these are."""
    scale_to: Annotated[int, Field(ge=0, le=MOST_TASKS)] | None = None
    """An autoscaler, or a person, sets this desired count; ``by`` says who."""
    deploys: str | None = None
    """A person deploys this tag without Surefoot, or whom ``by`` names."""
    by: By = "person"
    """Who does ``scale_to`` and ``deploys``, as CloudTrail tells it."""
    stack: StackStatus | None = None
    """The stack of the service is in this state from now on."""
    stack_goes_back: Annotated[float, Field(ge=0, le=3600)] | None = None
    """CloudFormation takes the stack of the service back from now on; after so many seconds it gets to the service, and
    brings back what the template named before. What a stack deploys and what fails goes back like this by itself."""
    trail_late: Annotated[float, Field(ge=0, le=3600)] | None = None
    """CloudTrail shows an event so many seconds late from now on."""
    deletes_image: str | None = None
    """A lifecycle policy of ECR, or a person, deletes the image of this tag; tasks that run it run on."""
    deletes: Literal["service", "everything"] | None = None
    """A person deletes the service, with which goes what scales it; or with it all that belongs to it alone: alarms and
    dashboards, listeners and rules, target groups, security groups, log groups and task definitions."""

    @model_validator(mode="after")
    def _something_happens(self) -> Self:
        if not self.model_dump(exclude_none=True, exclude={"at", "service", "by"}):
            known = ", ".join(sorted(set(type(self).model_fields) - {"at", "service", "by"}))
            raise ValueError(f"nothing happens: name one of {known}")
        happens = {self.scale_to, self.deploys, self.users, self.deletes, self.stack, self.stack_goes_back}
        if self.service is not None and happens == {None}:
            raise ValueError("service is the one to which scale_to, deploys, users, deletes or stack happens")
        return self
