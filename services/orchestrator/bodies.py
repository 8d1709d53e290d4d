"""What the routes take and answer."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from contracts.access import Role
from contracts.base import Time
from contracts.deployment import (
    Change,
    CheckUp,
    DeploymentConfig,
    ImageChange,
    Observe,
    OnConflict,
    Override,
    TaskDefinitionChange,
)
from contracts.migration_asked import MigrationAsked
from contracts.prose import Prose
from contracts.run_verbs import Minutes, Verb
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
    on_conflict: OnConflict = "queue"
    """What becomes of it while another run is active. Left out: as the policy has it (``requests.on_conflict``)."""
    expires_at: Time | None = None
    migration: MigrationAsked | None = Field(default=None, exclude_if=lambda asked: asked is None)
    """The migration that runs before the change, with the image that is to be deployed; left out: the policy's."""
    without_migration: bool = Field(default=False, exclude_if=lambda without: not without)
    """True: nothing is migrated before the change, whatever the policy names."""

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


class PauseBody(AbortBody):
    minutes: Minutes | None = None
    """None: as the policy has it (``pause.default_minutes``)."""


class DecisionBody(Requested):
    """What a person has seen of a run's status under ``approval``, and decides on."""

    run_id: Text
    plan: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]


class VerbDone(RunAccepted):
    """What was asked of a run is done; an abort may have come too late, which the answer says."""

    answer: Prose
    """What follows from it, as a sentence."""


class Deployments(BaseModel):
    deployments: tuple[RunLine, ...]
    cursor: str | None
    """For the next part; None when this was the last."""


class Overview(BaseModel):
    services: tuple[ServiceLine, ...]


@dataclass(frozen=True, slots=True)
class VerbRoute:
    """The route of a verb: what its body is, and which role it takes."""

    verb: Verb
    body: type[AbortBody | DecisionBody]
    role: Role
    description: str


VERBS = (
    VerbRoute(
        Verb.PAUSE,
        PauseBody,
        Role.OPERATOR,
        "Begin no further phase of a run for a while. A rollback, and the watch over a change, are never held.",
    ),
    VerbRoute(Verb.RESUME, AbortBody, Role.OPERATOR, "End a pause."),
    VerbRoute(
        Verb.APPROVE,
        DecisionBody,
        Role.APPROVER,
        "Approve what a run waits with. One person counts once, and for nothing but what was shown (`plan`).",
    ),
    VerbRoute(
        Verb.REJECT,
        DecisionBody,
        Role.APPROVER,
        "Reject what a run waits with: it ends, and what it has changed is rolled back.",
    ),
)
