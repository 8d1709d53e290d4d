"""What the routes take and answer."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from contracts.base import Time
from contracts.deployment import (
    Change,
    CheckUp,
    DeploymentConfig,
    ImageChange,
    Observe,
    Override,
    TaskDefinitionChange,
)
from services._chassis.http import Problem
from services._chassis.operations import Accepted, Requested
from services.orchestrator.domain.listing import RunLine, ServiceLine

Text = Annotated[str, StringConstraints(min_length=1, max_length=512)]


class RequestedConfig(DeploymentConfig):
    """The ``deployment_config`` of the requirements (docs/requirements.md); a misspelt field is refused."""

    model_config = ConfigDict(extra="forbid")


class DeployBody(Requested):
    """What is asked for: one of ``image``, ``task_definition`` and ``observe``.

    A body without any of them, as the requirements have it, observes the deployment that is under way, and checks
    what is live where there is none.
    """

    deployment_config: RequestedConfig = RequestedConfig()
    image: Text | None = None
    """``[CONTAINER=]REF``."""
    task_definition: Text | None = None
    observe: bool = False
    overrides: Annotated[tuple[Override, ...], Field(max_length=50)] = ()
    on_conflict: Literal["queue", "refuse"] = "queue"
    expires_at: Time | None = None

    def change(self) -> Change:
        """Return the one change, or a check-up where the body names none. Raise ``Problem`` for more than one."""
        changes: list[Change] = [Observe()] if self.observe else []
        if self.image is not None:
            change = ImageChange.parse(self.image)
            if change.reference not in self.image:
                raise Problem(
                    422,
                    "What an image's name cannot have",
                    "An image is named without user, password and control characters; ECS logs in by itself.",
                )
            changes.append(change)
        if self.task_definition is not None:
            changes.append(TaskDefinitionChange(task_definition=self.task_definition))
        if len(changes) > 1:
            raise Problem(
                422,
                "What is to be deployed?",
                "Give one of image, task_definition and observe: true, or none of them for a check-up of what is live.",
            )
        return changes[0] if changes else CheckUp()


class RunAccepted(Accepted):
    """A run is the operation here; its URL is that of its status."""

    run_id: str
    status_url: str


class AbortBody(Requested):
    """Without ``run_id`` the active run is meant."""

    run_id: Text | None = None


class Deployments(BaseModel):
    deployments: tuple[RunLine, ...]
    cursor: str | None
    """For the next part; None when this was the last."""


class Overview(BaseModel):
    services: tuple[ServiceLine, ...]
