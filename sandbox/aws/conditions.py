"""What a service lives in: how many users come, and whether its database is there."""

import math
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

DAY = 86_400.0
METRICS_LATE = 60.0
"""Seconds after which CloudWatch has a minute's metrics. AWS names no number; a load balancer sends once a minute."""


class Traffic(BaseModel):
    """Requests a minute at 14:00 and at 02:00 UTC; a sine over the day lies between."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    peak: Annotated[float, Field(ge=0, le=100_000)] = 200.0
    night: Annotated[float, Field(ge=0, le=100_000)] = 40.0

    def at(self, moment: float) -> float:
        """The mean of requests a minute at ``moment``, in epoch seconds."""
        middle, swing = (self.peak + self.night) / 2, (self.peak - self.night) / 2
        return middle + swing * math.cos((moment / DAY - 14 / 24) * math.tau)

    def busy(self, moment: float) -> float:
        """As a share of the peak."""
        return self.at(moment) / self.peak if self.peak else 0.0


USUAL = Traffic()


@dataclass(slots=True)
class Conditions:
    """Of one world; they change while it lives."""

    traffic: Traffic = USUAL
    database: bool = True
    """Whether the database itself is there: a container may still fail to reach it."""
    metrics_late: float = 0.0
    """Seconds after which a minute's metrics are there."""
    events_lost: float = 0.0
    """Share of what EventBridge and alarms tell that nobody hears."""
