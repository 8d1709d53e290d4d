"""A service that is made again while AWS does harm to one operation: what is played, and what each end is worth.

``python -m benchmarks.denials.recreations`` plays them all; ``make denials`` does so after the scalings.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from benchmarks.denials.matrix import Harmed, Line, play_all, with_name
from benchmarks.recreations import Course, recreated
from benchmarks.surrounded import Person, settings
from sandbox.scenarios.harm import Kind
from sandbox.scenarios.model import Scenario

HARMS = (Kind.DENY, Kind.THROTTLE, Kind.HANG, Kind.ERROR_BEFORE, Kind.ERROR_AFTER, Kind.RESET_AFTER)
AGENT = "surefoot/recovery/recreate/"
BEGINS = 130.0
"""Product seconds from the beginning of a rehearsal until the job begins."""
OPERATIONS = (
    "application-autoscaling:PutScalingPolicy", "application-autoscaling:PutScheduledAction",
    "application-autoscaling:RegisterScalableTarget", "ec2:AuthorizeSecurityGroupEgress",
    "ec2:AuthorizeSecurityGroupIngress", "ec2:CreateSecurityGroup", "ecs:CreateService",
    "ecs:RegisterTaskDefinition", "elasticloadbalancing:CreateListener", "elasticloadbalancing:CreateRule",
    "elasticloadbalancing:CreateTargetGroup", "elasticloadbalancing:ModifyTargetGroupAttributes",
    "logs:CreateLogGroup", "logs:PutRetentionPolicy", "monitoring:PutCompositeAlarm", "monitoring:PutDashboard",
    "monitoring:PutMetricAlarm", "servicediscovery:CreateService",
)  # fmt: skip
"""``service:Operation``: every call that makes a part. A test plays one without harm, and demands exactly these."""
_RULE = {
    "priority": 10,
    "conditions": [{"path_pattern": ["/orders/*"]}],
    "actions": [{"target_groups": [{"target_group": "orders"}]}],
}
_NIGHT = {"scheduled_action_name": "night", "schedule": "cron(0 22 * * ? *)", "min_capacity": 2, "max_capacity": 4}


class When(StrEnum):
    """How long AWS does harm."""

    WHILE = "while"
    """Ten minutes."""
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class Cell(Harmed):
    when: When

    @property
    def scenario(self) -> Scenario:
        return gone(self.rule(AGENT) | ({"seconds": BEGINS + 600} if self.when is When.WHILE else {}))


def gone(*harm: dict[str, Any]) -> Scenario:
    """Return a scenario of a service of which there is everything that can be made again."""
    served = [
        {"target_group": group, "container_name": "backend", "container_port": 8000}
        for group in ("court-case-backend", "orders")
    ]
    return Scenario.model_validate(
        {
            "name": "gone",
            "teaches": "Everything of a service is deleted.",
            "world": {
                "history_days": 0,
                "service": {
                    "load_balancers": served,
                    "scaling": {"scheduled_actions": [_NIGHT]},
                    "service_registries": [{"namespace": "court.internal", "service": "orders"}],
                    "service_connect_configuration": {"namespace": "internal", "services": [{"port_name": "backend"}]},
                },
                "namespaces": [
                    {"name": "court.internal", "services": [{"name": "orders"}]},
                    {"name": "internal", "type": "HTTP"},
                ],
                "target_groups": [{"name": "court-case-backend"}, {"name": "orders"}],
                "load_balancers": [{"listeners": [{"rules": [_RULE]}]}],
            },
            "harm": harm,
            "expect": {"outcome": "succeeded"},
        }
    )


def matrix() -> Iterator[Cell]:
    """Yield all cells."""
    for operation in OPERATIONS:
        for harm in HARMS:
            yield from (Cell(operation, harm, when) for when in When)


class Worth(StrEnum):
    """What an end is worth. The last three are wrong."""

    RIGHT = "right"
    """It serves again, and all is as before."""
    TOLD = "told"
    """It does not serve in time, and what it waited for is said. What was made stays."""
    TWICE = "made twice"
    LEFT = "not as before"
    """It is said to serve again, and is not as before."""
    SILENT = "silent"
    """It does not serve, and nothing tells why; or AWS does no harm any more, and it has given up."""


ACCEPTED = (Worth.RIGHT, Worth.TOLD)


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended."""

    result: str
    sentence: str
    as_before: bool
    twice: bool
    """Whether there is more of anything than before."""


def worth(cell: Cell, ended: Ended) -> Worth:
    """Return what an end is worth. Pure."""
    if ended.twice:
        return Worth.TWICE
    if ended.result == "recreated":
        return Worth.RIGHT if ended.as_before else Worth.LEFT
    waited = "It waited for this: " in ended.sentence
    return Worth.TOLD if waited and cell.when is When.ALWAYS else Worth.SILENT


def played(cell: Cell, seed: int = 1) -> Ended:
    """Play a cell to its end."""
    scenario = cell.scenario
    person = Person(scenario.world.service)
    ended = recreated(scenario, seed, Course(before=person.surround, after=person.look))
    finished = ended.finished
    if finished is None:
        return Ended("refused", ended.refused, as_before=False, twice=False)
    counted = ("target_groups", "listeners", "rules", "security_groups", "scalable", "policies", "actions", "alarms")
    twice = any(len(person.now[name]) > len(person.then[name]) for name in counted)
    as_before = finished.result == "recreated" and settings(person.now) == settings(person.then)
    return Ended(finished.result, finished.sentence, as_before and not person.old_ids, twice)


def _play(name: str) -> Line:
    cell = with_name(matrix(), name)
    ended = played(cell)
    found = worth(cell, ended)
    return Line(name, found, "" if found is Worth.RIGHT else ended.sentence, found in ACCEPTED)


if __name__ == "__main__":
    sys.exit(play_all("recreations", __doc__, "services made again", [cell.name for cell in matrix()], _play))
