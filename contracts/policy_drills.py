"""The section of a policy about drills: when a way back may be tried for real, and what ends that."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from contracts import limits
from contracts.policy_section import Section, default

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Hours = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3])-([01][0-9]|2[0-4])$")]
"""Two hours of the day, UTC: ``09-16`` is from 9:00 until 16:00, ``22-04`` is over midnight."""
ScheduledPlan = Literal["rollback", "scaling", "recreate"]


class Drills(Section):
    """When recovery plans may be tried on the service for real."""

    enabled: bool = default(False, "Surefoot's own choice: off, ADR 45")
    """False: nothing is tried on this service, whoever asks for it."""
    hours: Hours = default("09-16", "Surefoot's own choice")
    """The hours of the day, UTC, in which a drill may begin: from the first one until the second one begins."""
    days: tuple[Day, ...] = default(("mon", "tue", "wed", "thu"), "Surefoot's own choice", min_length=1, max_length=7)
    """The days, by UTC, on which a drill may begin."""
    every_days: Annotated[float, Field(ge=1, le=365)] | None = default(None, "only where somebody asks for one")
    """After so many days recovery begins the next drill by itself, within the hours. off: it never does."""
    plans: tuple[ScheduledPlan, ...] = default(("rollback",), "Surefoot's own choice", min_length=1, max_length=3)
    """The plans that are tried by themselves, one after another."""
    minimum_health_score: Annotated[float, Field(ge=0, le=100)] = default(
        limits.MINIMUM_HEALTH_SCORE, "requirements, Phase 1"
    )
    """Below this score no drill begins, and one that is under way ends at once."""
