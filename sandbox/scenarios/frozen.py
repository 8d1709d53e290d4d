"""The base of everything in a scenario file: it cannot change, and an unknown key is a fault."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
