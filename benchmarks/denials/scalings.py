"""Emergency scalings while AWS does harm to one operation: what is played, and what each end is worth.

``python -m benchmarks.denials.scalings`` plays them all; ``make denials`` does so after the deployments.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from moto.applicationautoscaling.models import applicationautoscaling_backends

from benchmarks.denials.matrix import HARMS, Harmed, Line, play_all, with_name
from contracts.scaling import ScalingDecided, ScalingFinished
from sandbox.scenarios.model import Scenario
from surefoot.rehearsal.rehearse import rehearse
from surefoot.rehearsal.stage import Stage
from surefoot.rehearsal.system import InProcessSystem

TASKS, LOW, HIGH = 3, 2, 8


class Part(StrEnum):
    """The job of a scaling whose calls meet the harm, for ever."""

    LOOK = "look-exhausted"
    UP = "scale"
    BACK = "unscale"


_LOOK, _UP, _BACK = Part.LOOK, Part.UP, Part.BACK
OPERATIONS: dict[str, frozenset[Part]] = {
    "application-autoscaling:DescribeScalableTargets": frozenset({_LOOK, _UP, _BACK}),
    "application-autoscaling:DescribeScalingPolicies": frozenset({_LOOK, _UP, _BACK}),
    "application-autoscaling:DescribeScheduledActions": frozenset({_LOOK, _UP, _BACK}),
    "application-autoscaling:RegisterScalableTarget": frozenset({_UP, _BACK}),
    "ec2:DescribeSubnets": frozenset({_LOOK, _UP}),
    "ecs:DescribeServices": frozenset({_LOOK, _UP, _BACK}),
    "ecs:UpdateService": frozenset({_UP, _BACK}),
    "monitoring:GetMetricData": frozenset({_LOOK, _UP}),
}
"""``service:Operation`` → the parts of a scaling that call it."""


@dataclass(frozen=True, slots=True)
class Cell(Harmed):
    part: Part

    @property
    def scenario(self) -> Scenario:
        return exhausted(self.rule(f"surefoot/recovery/{self.part}/"))


def exhausted(*harm: dict[str, Any]) -> Scenario:
    """Return a scenario in which three times as many users come as usually, for a quarter of an hour."""
    return Scenario.model_validate(
        {
            "name": "exhausted",
            "teaches": "An exhausted service is scaled for five minutes.",
            "change": "check_up",
            "world": {
                "service": {"scaling": {"min_capacity": LOW, "max_capacity": HIGH, "target_tracking": []}},
                "happenings": [{"at": 200, "users": 3}, {"at": 1100, "users": 1}],
            },
            "harm": harm,
            "policy": {"version": 1, "defaults": {"recovery": {"scaling_minutes": 5}}},
            "expect": {"outcome": "succeeded", "watch": 1700},
        }
    )


def matrix() -> Iterator[Cell]:
    """Yield all cells."""
    for operation, parts in OPERATIONS.items():
        for harm in HARMS:
            yield from (Cell(operation, harm, part) for part in Part if part in parts)


class Worth(StrEnum):
    """What an end is worth. The last two are wrong."""

    RIGHT = "right"
    """It was scaled, and all is as before."""
    REFUSED = "refused"
    """Nothing is set in the end, and it is on record why."""
    CALLED = "called"
    """AWS does not let it be restored, and people were called."""
    LEFT = "left behind"
    """Something is not as before, and nobody was called."""
    SILENT = "silent"
    """It was not scaled, and nothing tells why."""


ACCEPTED = (Worth.RIGHT, Worth.REFUSED, Worth.CALLED)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a scaling ended."""

    raised: bool
    """Whether it ended after AWS had taken a call that raises something."""
    as_before: bool
    """Whether count and limits are as before in the end."""
    answers: frozenset[str]
    """``DECISION/REASON`` of what was decided, and the results of scalings that are over."""


def worth(ended: Ended) -> Worth:
    """Return what an end is worth. Pure."""
    called = {"people-called/not-restored", "failed"} & ended.answers
    if not ended.as_before:
        return Worth.CALLED if called else Worth.LEFT
    if ended.raised:
        return Worth.RIGHT
    return Worth.REFUSED if ended.answers else Worth.SILENT


def played(scenario: Scenario, seed: int = 1) -> Ended:
    """Play a scaling to its end, or until its restoration has been refused for a while."""
    stood: list[tuple[int | None, int | None]] = []

    async def look(stage: Stage, _: InProcessSystem) -> None:
        account, region = stage.aws.world.workload.place
        [target] = applicationautoscaling_backends[account][region].targets["ecs:service:DesiredCount"].values()
        stood.append((target.min_capacity, target.max_capacity))

    rehearsal = rehearse(scenario, seed=seed, look=look)
    events = [envelope.event for envelope in rehearsal.events]
    answers = {f"{event.decision}/{event.reason}" for event in events if isinstance(event, ScalingDecided)}
    ends = {event.result for event in events if isinstance(event, ScalingFinished)}
    raised = any(f"surefoot/recovery/{Part.UP}/" in call.user_agent and call.status < 300 for call in rehearsal.calls)
    as_before = (rehearsal.wants, stood[-1]) == (TASKS, (LOW, HIGH))
    return Ended(raised and bool(ends), as_before, frozenset(answers | ends))


def _play(name: str) -> Line:
    ended = played(with_name(matrix(), name).scenario)
    found = worth(ended)
    return Line(name, found, ", ".join(sorted(ended.answers)), found in ACCEPTED)


if __name__ == "__main__":
    sys.exit(play_all("scalings", __doc__, "scalings", [cell.name for cell in matrix()], _play))
