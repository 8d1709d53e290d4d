"""Drills while AWS does harm to one operation: what is played, and what each end is worth.

``python -m benchmarks.denials.drills`` plays them all; ``make denials`` does so at the end.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from benchmarks.denials.matrix import HARMS, Harmed, Line, play_all, with_name
from benchmarks.drills import SCENARIO, tried
from contracts.drills import DrillPlan
from sandbox.aws.server.outcome import live_image, wanted_tasks
from sandbox.scenarios.harm import ScheduledRule
from sandbox.scenarios.model import Scenario
from sandbox.scenarios.service import Scaling, Service
from sandbox.scenarios.world import World
from surefoot.rehearsal.stage import Stage

OPERATIONS: dict[str, tuple[DrillPlan, ...]] = {
    "application-autoscaling:RegisterScalableTarget": ("scaling",),
    "ec2:CreateSecurityGroup": ("recreate",),
    "ec2:DescribeSecurityGroups": ("recreate",),
    "ecr:BatchGetImage": ("rollback", "recreate"),
    "ecs:DescribeClusters": ("recreate",),
    "ecs:DescribeServices": ("rollback", "scaling", "recreate"),
    "ecs:DescribeTaskDefinition": ("rollback", "recreate"),
    "ecs:UpdateService": ("rollback", "scaling"),
    "elasticloadbalancing:DescribeTargetGroups": ("recreate",),
    "elasticloadbalancing:DescribeTargetHealth": ("rollback", "scaling"),
    "logs:DescribeLogGroups": ("recreate",),
    "s3:GetObject": ("rollback", "recreate"),
}
"""``service:Operation`` → the plans whose drills call it."""
UNTRACKED = Scaling(min_capacity=2, max_capacity=8, target_tracking=())
"""Limits without a policy: with one, it takes the task of a drill away in its own time (ADR 45)."""
OF_A_SCALING = ("application-autoscaling:RegisterScalableTarget", "ecs:UpdateService")
"""What the way up of a drill's scaling calls; its restoration is among the cells of scalings."""


@dataclass(frozen=True, slots=True)
class Cell(Harmed):
    plan: DrillPlan

    @property
    def scenario(self) -> Scenario:
        job = "scale" if self.operation in OF_A_SCALING and self.plan == "scaling" else "drill"
        harm = ScheduledRule(**self.rule(f"surefoot/recovery/{job}/"))
        world = World(history_days=0, service=Service(scaling=UNTRACKED if self.plan == "scaling" else Scaling()))
        return SCENARIO.model_copy(update={"world": world, "harm": (harm,)})


def matrix() -> Iterator[Cell]:
    """Yield all cells."""
    for operation, plans in OPERATIONS.items():
        for harm in HARMS:
            yield from (Cell(operation, harm, plan) for plan in plans)


class Worth(StrEnum):
    """What an end is worth. The last two are wrong."""

    RIGHT = "right"
    """It was measured, or planned, and all is as before."""
    TOLD = "told"
    """It was not measured, why is said, and all is as before."""
    LEFT = "left behind"
    SILENT = "silent"
    """It has no end in time, or its end says nothing."""


ACCEPTED = (Worth.RIGHT, Worth.TOLD)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a drill ended."""

    result: str
    """``refused`` where it did not begin; empty where it did not end."""
    sentence: str
    as_before: bool
    """Whether version and count are as before, and no drill stands any more."""


def worth(ended: Ended) -> Worth:
    """Return what an end is worth. Pure."""
    if not ended.result or not ended.sentence:
        return Worth.SILENT
    if not ended.as_before:
        return Worth.LEFT
    return Worth.RIGHT if ended.result == "measured" else Worth.TOLD


def played(cell: Cell, seed: int = 1) -> Ended:
    """Play a cell to its end."""
    left: list[bool] = []

    def look(stage: Stage) -> None:
        world = stage.aws.world
        left.append((live_image(world), wanted_tasks(world)) == ("1.0", SCENARIO.world.service.desired_count))

    end = tried(cell.plan, seed, cell.scenario, look)
    return Ended(end.result, end.sentence, all(left))


def _play(name: str) -> Line:
    ended = played(with_name(matrix(), name))
    found = worth(ended)
    return Line(name, found, f"{ended.result}: {ended.sentence}", found in ACCEPTED)


if __name__ == "__main__":
    sys.exit(play_all("drills", __doc__, "drills", [cell.name for cell in matrix()], _play))
