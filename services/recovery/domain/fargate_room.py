"""Whether the account's quota of Fargate vCPUs has room for the tasks that a rollback starts beside those that run.

Told beside a way back, and never "no": the metric is minutes late, and ECS's own words decide in any case.
"""

from dataclasses import dataclass
from math import floor

from contracts.rollout_pace import RolloutPace

UNITS = 1024
"""CPU units of one vCPU (Amazon ECS, task definition parameters)."""


@dataclass(frozen=True, slots=True)
class Vcpus:
    """What the account may use of Fargate, and what it uses; in vCPUs."""

    quota: float | None = None
    used: float | None = None
    why: str = ""
    """Why one of them is not known, as a clause."""


def surge_of(pace: RolloutPace, cpu_units: int) -> float:
    """Return how many vCPUs a rollback wants beside what runs: of as many tasks as may start at a time."""
    more = floor(pace.tasks * pace.maximum_percent / 100) - pace.tasks
    return max(0, more) * cpu_units / UNITS


def quota_warning(room: Vcpus, surge: float) -> str:
    """Return what is to be told of the quota, as a sentence without a full stop; empty where there is room.

    ``surge``: vCPUs that are wanted besides.
    """
    if surge <= 0:
        return ""
    if room.quota is None or room.used is None:
        return f"whether the account's quota of Fargate vCPUs has room for it is not known: {room.why}"
    if room.used + surge <= room.quota:
        return ""
    return (
        f"the account uses {room.used:g} of {room.quota:g} Fargate vCPUs, and a rollback starts tasks of {surge:g} "
        "more beside them: it may stand still until others stop"
    )
