"""What persons do with the run of a scenario, and when."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from sandbox.scenarios.frozen import Frozen


class Act(Frozen):
    """A person acts on the run."""

    at: Annotated[float, Field(ge=0, le=14_400)]
    """Seconds after the request."""
    does: Literal["pause", "resume", "approve", "reject", "abort"]
    """Who approves or rejects does so with what is shown at that time."""
    actor: Annotated[str, Field(min_length=1, max_length=100)]
    reason: Annotated[str, Field(max_length=512)] = ""
    minutes: Annotated[float, Field(gt=0, le=1440)] | None = None
    """How long a pause lasts; None: as the policy has it."""

    @model_validator(mode="after")
    def _lasts_if_it_is_a_pause(self) -> Self:
        if self.minutes is not None and self.does != "pause":
            raise ValueError("only a pause lasts for some minutes")
        return self
