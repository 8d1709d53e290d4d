"""How long a rolling deployment of a service takes, by its own settings and its last deployments. Pure arithmetic.

All times are seconds of product time.
"""

from math import ceil, floor
from typing import Self

from contracts.base import Contract
from contracts.prose import Prose

LEAST_SILENCE = 600.0
"""No deployment is called stuck before nothing has moved for ten minutes."""
LONGEST = 86_400.0
"""No deployment is waited for longer than a day."""
START_SECONDS = 120.0
"""From a task's creation until its containers run. AWS has no figure: ours, for an image of a gigabyte or two on
Fargate. A service whose tasks take longer is known by its last deployments (``learned``)."""
LONGEST_GRACE = 3600.0
"""A longer grace period is the wish that ECS never replaces a task, and says nothing about how long a start takes."""
SLACK = 2.0
"""How much slower than expected a batch may be before it counts as stuck."""


class RolloutPace(Contract):
    """The pace of one service. ECS replaces its tasks in batches, as its two percentages leave room.

    Source: Amazon ECS developer guide, "Rolling update" (``minimumHealthyPercent`` is rounded up, ``maximumPercent``
    down) and "Optimize load balancer health check parameters".
    """

    tasks: int
    """How many are wanted."""
    minimum_percent: float = 100
    maximum_percent: float = 200
    start: float = START_SECONDS
    grace: float = 0
    """The service's health check grace period."""
    registration: float = 0
    """From running until healthy: by the target group, and by the check of the container itself."""
    draining: float = 0
    """From the order to stop an old task until it has stopped: the deregistration delay, and the stop timeout."""
    bake: float = 0
    """For which ECS keeps the old tasks once requests have moved, with a strategy other than ROLLING."""
    learned: float = 0
    """What its last completed deployments usually took, until their last old task was gone; 0 where none is known."""
    assumed: tuple[Prose, ...] = ()
    """A phrase for each part that could not be read, so that AWS's own default stands for it."""

    @property
    def slots(self) -> int:
        """Return how many tasks ECS may start or stop at a time, as its percentages leave room; none below 1."""
        return floor(self.tasks * self.maximum_percent / 100) - ceil(self.tasks * self.minimum_percent / 100)

    @property
    def batch(self) -> int:
        """Return how many tasks are replaced at a time."""
        return min(max(1, self.slots), max(1, self.tasks))

    @property
    def batches(self) -> int:
        return max(1, ceil(self.tasks / self.batch))

    @property
    def drains(self) -> int:
        """Return for how many batches old tasks have to be gone before the next tasks can start.

        Old tasks that drain take up room under ``maximumPercent``. After the last batch nothing waits for it, except
        where there is no room for a new task beside the old ones: then each batch begins with it.
        """
        room = floor(self.tasks * self.maximum_percent / 100) - self.tasks
        return self.batches if room <= 0 else self.batches - 1

    @property
    def per_batch(self) -> float:
        """Return how long a batch takes to start and to become healthy, without draining."""
        return max(self.start + self._grace + self.registration, self._learned_per_batch)

    @property
    def expected(self) -> float:
        return self.batches * self.per_batch + self.drains * self.draining + self.bake

    @property
    def silence(self) -> float:
        """Return for how long nothing may move before the deployment counts as stuck.

        The grace period is a limit already: when it is over, ECS itself replaces a task that is not healthy.
        """
        batch = max(SLACK * (self.start + self.registration) + self._grace, SLACK * self._learned_per_batch)
        draining = self.draining if self.drains else 0
        return min(max(LEAST_SILENCE, batch + draining + self.bake), LONGEST)

    @property
    def _grace(self) -> float:
        return min(self.grace, LONGEST_GRACE)

    @property
    def _learned_per_batch(self) -> float:
        """Return how long a batch took without draining: ECS completes a deployment when the last old task is gone."""
        return max(0.0, (self.learned - self.bake) / self.batches - self.draining)

    @property
    def longest(self) -> float:
        """Return the longest that the whole may take, however it moves."""
        return min(self.silence + SLACK * self.expected, LONGEST)

    def grown(self, tasks: int) -> Self:
        """Return the pace with as many tasks, where that is more."""
        return self if tasks <= self.tasks else self.model_copy(update={"tasks": tasks})

    @property
    def sentence(self) -> str:
        """Return the bound and how it came about, as a clause: ``nothing may stand still for 10 minutes (…)``."""
        return f"nothing may stand still for {duration(self.silence)} ({self.arithmetic})"

    @property
    def arithmetic(self) -> str:
        """Return how the bounds came about, as phrases with commas."""
        parts = [f"{_count(self.batches, 'batch')} of {_count(self.batch, 'task')}"]
        parts.append(f"{self.per_batch:.0f} s each to start and become healthy")
        if self.drains and self.draining:
            parts.append(f"{self.draining:.0f} s to drain old tasks")
        parts.append(f"{duration(self.bake)} for which ECS keeps the old ones" if self.bake else "")
        parts.append(f"its last deployments took {duration(self.learned)}" if self.learned else "")
        parts += [f"{phrase} assumed" for phrase in self.assumed]
        return ", ".join(filter(None, parts))


def duration(seconds: float) -> str:
    """Return seconds as a person says them: ``45 s``, ``10 minutes``, ``2 hours 5 minutes``."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    parts = [_count(hours, "hour") if hours else "", _count(minutes, "minute") if minutes else ""]
    return " ".join(filter(None, parts))


def _count(number: int, noun: str) -> str:
    plural = f"{noun}es" if noun.endswith("ch") else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"
