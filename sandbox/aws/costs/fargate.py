"""Fargate's billing of tasks: vCPUs and gigabytes, from the pull of the image until the task has stopped.

Source: https://aws.amazon.com/fargate/pricing/: by the second, rounded up, a minute at least.
"""

from math import ceil
from typing import Any

from sandbox.aws.accounts import Place
from sandbox.aws.costs import prices
from sandbox.aws.costs.ledger import Ledger, Line, Use
from sandbox.aws.ecs.definitions import task_size
from sandbox.aws.ecs.region import Ecs
from sandbox.aws.ecs.task_lifecycle import FAILED_TO_START
from sandbox.aws.ecs.tasks import Task

LEAST_SECONDS = 60


class Meter:
    """Meters the tasks of one world: those that ended are in a ledger, those that run are read from ECS."""

    def __init__(self, ecs: Ecs, place: Place) -> None:
        """Listens to ``ecs`` from now on."""
        self._ecs = ecs
        self._region = place.region
        self._ledger = Ledger(place.account)
        ecs.on_end = self._enter

    def lines(self, since: int, until: int, now: float) -> list[Line]:
        """Return what was used between two full hours (epoch seconds), as known at ``now``."""
        running = (use_of(task, self._region, now) for task in self._ecs.live.values())
        return self._ledger.lines(since, until, [use for use in running if use is not None])

    def _enter(self, task: Task, now: float) -> None:
        use = use_of(task, self._region, now)
        if use is not None:
            self._ledger.enter(use)


def use_of(task: Task, region: str, now: float) -> Use | None:
    """Return what is billed of a task until ``now``; None where nothing is.

    That is a task which has not begun to pull its image or could not start, and one whose size cannot be read.
    """
    size = task_size(task.definition.body | _sizes(task.overrides))
    if task.pull_started is None or size is None or task.stop_code == FAILED_TO_START:
        return None
    until = now
    if task.stopped is not None:
        until = task.pull_started + max(LEAST_SECONDS, ceil(task.stopped - task.pull_started))
    vcpu, memory = prices.usage_types(region, arm=task.definition.platform == "linux/arm64")
    given = ((vcpu, size[0] / 1024), (memory, size[1] / 1024))
    return Use(task.pull_started, until, given, tuple(sorted((tag["key"], tag.get("value", "")) for tag in task.tags)))


def _sizes(overrides: dict[str, Any]) -> dict[str, Any]:
    return {name: overrides[name] for name in ("cpu", "memory") if overrides.get(name)}
