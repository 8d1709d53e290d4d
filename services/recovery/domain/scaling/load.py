"""What a service's tasks use, minute by minute, and whether that is exhaustion."""

from collections.abc import Mapping
from dataclasses import dataclass, field

MINUTE = 60.0
LIMIT = 90.0
"""Per cent of what the tasks were given, on average over them, from which on they are at their limit. Surefoot's own
choice: the autoscaler's targets and the warnings of the requirements lie below it."""
LEAST = 50.0
"""Per cent that the least busy task uses in most minutes: below it one task is stuck, and more of them are no help."""
WINDOW = 5
"""Minutes on end for which it has to be so, as long as a warning waits (requirements, Alerting Rules)."""
STALE = 600.0
"""Seconds: newer minutes than these must be there, or nothing is known of the present."""
BUSY = 60.0
"""Per cent of the processor below which full memory has nothing to do with the load."""
GROWN = 10.0
"""Points by which memory may grow without the processor doing so, within what was read; beyond it is a leak."""


@dataclass(frozen=True, slots=True)
class Load:
    """Begin of a minute (epoch seconds, AWS's clock) → per cent, or the number of tasks."""

    cpu: Mapping[float, float] = field(default_factory=dict)
    """The average over the tasks."""
    least_cpu: Mapping[float, float] = field(default_factory=dict)
    """The least of the tasks: how busy the idlest is."""
    memory: Mapping[float, float] = field(default_factory=dict)
    """The average over the tasks."""
    tasks: Mapping[float, float] = field(default_factory=dict)
    """How many have reported."""

    @property
    def newest(self) -> float | None:
        """Return the begin of the newest minute; None where there is none."""
        return max(self.cpu, default=None)

    def window(self) -> tuple[float, ...]:
        """Return the last ``WINDOW`` minutes, the oldest first; fewer where one has no point."""
        end = self.newest or 0.0
        minutes = (end - back * MINUTE for back in reversed(range(WINDOW)))
        return tuple(minute for minute in minutes if minute in self.cpu)

    def average(self, series: Mapping[float, float]) -> float:
        """Return the mean of a series over the last ``WINDOW`` minutes; 0 without a point."""
        found = [series[minute] for minute in self.window() if minute in series]
        return sum(found) / len(found) if found else 0.0

    def hot_for(self, series: Mapping[float, float]) -> int:
        """Return for how many minutes on end, up to the newest, a series has been at the limit."""
        count, minute = 0, self.newest or 0.0
        while series.get(minute, 0.0) >= LIMIT:
            count, minute = count + 1, minute - MINUTE
        return count

    def hot_between(self, begin: float, end: float) -> bool:
        """Return whether the processor was at its limit for ``WINDOW`` minutes on end, all within these times."""
        count, before = 0, 0.0
        for minute in sorted(self.cpu):
            if not begin <= minute < end or self.cpu[minute] < LIMIT:
                count = 0
            else:
                count = count + 1 if minute - before == MINUTE else 1
            before = minute
            if count >= WINDOW:
                return True
        return False

    @property
    def on_most_tasks(self) -> bool:
        """Return whether the least busy task is busy, too, in most minutes of the window."""
        least = [self.least_cpu.get(minute, 0.0) >= LEAST for minute in self.window()]
        return sum(least) * 2 > len(least)

    @property
    def steady(self) -> bool:
        """Return whether as many tasks reported in each minute of the window: none was added or taken away."""
        return len({self.tasks.get(minute) for minute in self.window()}) <= 1

    @property
    def leaks(self) -> bool:
        """Return whether memory has grown since the begin of what was read, and the processor's work has not."""
        known = sorted(minute for minute in self.memory if minute in self.cpu)
        if len(known) < 2 * WINDOW:
            return False
        grown = _mean(self.memory, known[-WINDOW:]) - _mean(self.memory, known[:WINDOW])
        busier = _mean(self.cpu, known[-WINDOW:]) - _mean(self.cpu, known[:WINDOW])
        return grown > GROWN and busier < GROWN


def _mean(series: Mapping[float, float], minutes: list[float]) -> float:
    return sum(series[minute] for minute in minutes) / len(minutes)
