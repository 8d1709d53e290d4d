"""Migrations in runs while AWS does harm to one operation: what is played, and what each end is worth.

``python -m benchmarks.denials.migrations`` plays them all; ``make denials`` does so after the deployments.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from benchmarks.denials.matrix import HARMS, Harmed, Line, play_all, with_name
from benchmarks.denials.rule import LONGEST
from contracts.deployment import Outcome
from contracts.migration import MigrationFinished
from sandbox.scenarios.model import Scenario
from surefoot.rehearsal.rehearse import Rehearsal, rehearse
from surefoot.rehearsal.stage import Stage
from surefoot.rehearsal.system import InProcessSystem

AGENT = "surefoot/recovery/migrate/"
"""The job that migrates; its calls meet the harm, for ever."""
STOPS = "ecs:StopTask"
MINUTES = 2
"""The time of a migration that is to be stopped."""
OPERATIONS: dict[str, str] = {
    "ecs:DescribeServices": "what the service's network is, and where its application is asked",
    "ecs:DescribeTaskDefinition": "the settings with which it runs, and what its log must not show",
    "ecs:DescribeTasks": "how its task ends",
    "ecs:ListTaskDefinitions": "whether its task definition is registered",
    "ecs:ListTasks": "whether its task was started",
    "ecs:RegisterTaskDefinition": "its task definition",
    "ecs:RunTask": "its task",
    STOPS: "the end of one that takes too long, where the policy says so",
    "elasticloadbalancing:DescribeListeners": "where its application is asked for the schema",
    "elasticloadbalancing:DescribeRules": "where its application is asked for the schema",
    "elasticloadbalancing:DescribeTargetGroups": "where its application is asked for the schema",
    "logs:GetLogEvents": "the end of its log",
}
"""``service:Operation`` → what the job needs it for."""


@dataclass(frozen=True, slots=True)
class Cell(Harmed):
    @property
    def scenario(self) -> Scenario:
        return migrating(self.rule(AGENT), endless=self.operation == STOPS)


def migrating(*harm: dict[str, Any], endless: bool = False) -> Scenario:
    """Return a scenario with a migration; ``endless``: one that takes longer than the policy lets it."""
    recovery = {"migration_at_limit": "stop", "migration_minutes": MINUTES} if endless else {}
    migration = {
        "seconds": 3 * LONGEST if endless else 20,
        "to": "c3a2",
        "log": ["INFO  [alembic.runtime.migration] Running upgrade b2f1 -> c3a2"],
    }
    return Scenario.model_validate(
        {
            "name": "migrating",
            "teaches": "It is migrated before it is deployed.",
            "migration": {"compatible": True},
            "image": {"revision": "c3a2", "migration": migration},
            "harm": harm,
            "policy": {"version": 1, "defaults": {"recovery": recovery}} if recovery else None,
            "expect": {"outcome": "succeeded", "watch": 60},
        }
    )


def matrix() -> Iterator[Cell]:
    """Yield all cells."""
    yield from (Cell(operation, harm) for operation in OPERATIONS for harm in HARMS)


class Worth(StrEnum):
    """What an end is worth. All but the first two are wrong."""

    RIGHT = "right"
    """It was migrated once and deployed; what was not seen is told."""
    REFUSED = "refused"
    """Nothing was deployed, and the run tells what AWS did not do, and whether the schema may have changed."""
    TWICE = "twice"
    """Two tasks were started."""
    UNPROVEN = "unproven"
    """The new version was deployed, and nothing tells that it was migrated."""
    UNTRUE = "untrue"
    """It is called untouched although a task has run."""
    SILENT = "silent"
    """Nothing tells what AWS did not do."""
    LATE = "late"


ACCEPTED = (Worth.RIGHT, Worth.REFUSED)
_UNTOUCHED = "Nothing was migrated"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run with a migration ended."""

    outcome: str
    reason: str
    tasks: int
    """How many tasks were started."""
    seconds: float
    results: tuple[str, ...] = ()
    """The results of its migrations that are over."""
    told: bool = True
    """Whether anything that was published names the operation."""
    changed: bool = False


def worth(cell: Cell, ended: Ended) -> Worth:
    """Return what an end is worth. Pure."""
    if ended.tasks > 1:
        return Worth.TWICE
    if ended.seconds > LONGEST:
        return Worth.LATE
    if ended.changed:
        migrated = ended.tasks == 1 and ended.results == ("succeeded",)
        return Worth.RIGHT if ended.outcome == Outcome.SUCCEEDED and migrated else Worth.UNPROVEN
    if ended.tasks and _UNTOUCHED in ended.reason:
        return Worth.UNTRUE
    may_have = _UNTOUCHED in ended.reason or "may have changed" in ended.reason or "may change still" in ended.reason
    told = ended.told or (cell.operation == STOPS and "Surefoot stopped it" in ended.reason)
    return Worth.REFUSED if may_have and told else Worth.SILENT


def played(cell: Cell, seed: int = 1) -> Ended:
    """Play a run with a migration to its end."""
    started: list[int] = []

    async def look(stage: Stage, _: InProcessSystem) -> None:
        started.append(sum(len(tasks) for tasks in stage.aws.world.ecs.client_tokens.values()))

    return _ended(cell, rehearse(cell.scenario, seed=seed, look=look), max(started, default=0))


def _ended(cell: Cell, rehearsal: Rehearsal, tasks: int) -> Ended:
    events = [envelope.event for envelope in rehearsal.events]
    said = "\n".join([rehearsal.finished.reason, *(event.model_dump_json() for event in events)])
    return Ended(
        outcome=rehearsal.finished.outcome,
        reason=rehearsal.finished.reason,
        tasks=tasks,
        seconds=rehearsal.seconds,
        results=tuple(event.result for event in events if isinstance(event, MigrationFinished)),
        told=cell.operation.split(":")[1] in said,
        changed=any(call.operation == "UpdateService" and "ecs-svc/" in call.effect for call in rehearsal.calls),
    )


def _play(name: str) -> Line:
    cell = with_name(matrix(), name)
    ended = played(cell)
    found = worth(cell, ended)
    return Line(name, found, f"{ended.outcome}, {ended.reason}", found in ACCEPTED)


if __name__ == "__main__":
    sys.exit(play_all("migrations", __doc__, "migrations", [cell.name for cell in matrix()], _play))
