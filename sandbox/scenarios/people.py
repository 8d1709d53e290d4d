"""What persons and pipelines do with the run of a scenario, and after it, and when."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from sandbox.scenarios.frozen import Frozen


class Act(Frozen):
    """A person acts on the run."""

    at: Annotated[float, Field(ge=0, le=14_400)]
    """Seconds after the request."""
    does: Literal["pause", "resume", "approve", "reject", "abort", "supersede", "deploy", "release", "roll_back"]
    """Who approves or rejects does so with what is shown at that time. Who supersedes or deploys asks for a newer run:
    in the place of the others, or behind them. Who releases ends the holds that stand after rollbacks. Who rolls back
    does so by hand, to the latest proven snapshot."""
    run: Annotated[int, Field(ge=1, le=100)] = 1
    """Which run is acted on: 1 is the scenario's own, the newer ones follow in the order of time."""
    actor: Annotated[str, Field(min_length=1, max_length=100)]
    reason: Annotated[str, Field(max_length=512)] = ""
    minutes: Annotated[float, Field(gt=0, le=1440)] | None = None
    """How long a pause lasts; None: as the policy has it."""
    image: Annotated[str, Field(max_length=200)] | None = None
    """The tag that a newer run deploys."""

    @property
    def begins_a_run(self) -> bool:
        return self.does in {"supersede", "deploy"}

    @model_validator(mode="after")
    def _has_what_it_takes(self) -> Self:
        if self.minutes is not None and self.does != "pause":
            raise ValueError("only a pause lasts for some minutes")
        if (self.image is not None) != self.begins_a_run:
            raise ValueError("who supersedes or deploys names an image, and nobody else does")
        return self


class PlannedDrill(Frozen):
    """A person has a recovery plan tried on the service, once the run is over."""

    at: Annotated[float, Field(ge=0, le=14_400)]
    """Seconds after the end of the run."""
    plan: Literal["rollback", "scaling", "recreate"]
    overrides: Mapping[str, str] = {}
    """Check → the reason for which it is overridden."""


class PlannedRecreation(Frozen):
    """A person asks for the service to be made again, and another one approves the plan at once."""

    at: Annotated[float, Field(ge=0, le=14_400)]
    """Seconds after the end of the run."""
    actor: Annotated[str, Field(min_length=1, max_length=100)] = "ann"
    approved_by: Annotated[str, Field(min_length=1, max_length=100)] = "bob"
