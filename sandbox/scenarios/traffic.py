"""How many users come to a service, by the time of day."""

import math
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

DAY = 86_400.0


class Traffic(BaseModel):
    """Requests a minute at 14:00 and at 02:00 UTC; a sine over the day lies between."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    peak: Annotated[float, Field(ge=0, le=100_000)] = 200.0
    night: Annotated[float, Field(ge=0, le=100_000)] = 40.0

    def at(self, moment: float) -> float:
        """Return the mean of requests a minute at ``moment``, in epoch seconds."""
        middle, swing = (self.peak + self.night) / 2, (self.peak - self.night) / 2
        return middle + swing * math.cos((moment / DAY - 14 / 24) * math.tau)

    def busy(self, moment: float) -> float:
        """Return the traffic at ``moment`` as a share of the peak."""
        return self.at(moment) / self.peak if self.peak else 0.0


USUAL = Traffic()
