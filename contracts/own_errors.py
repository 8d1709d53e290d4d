"""Counts which of a load balancer's own errors are a service's, where others use the load balancer as well.

``HTTPCode_ELB_5XX_Count`` counts for a whole load balancer: it has no target group. Whose an error was follows from
what is counted by target group. A request that no target answered has no ``HTTPCode_Target_*_Count``; where no target
was there to be chosen, it is in no ``RequestCount`` either, and the group shows no healthy target ("CloudWatch metrics
for your Application Load Balancer"). Clients that close first and connections that become WebSockets are unanswered
without any error: how many these are is known from the minutes in which the load balancer made no error.

A series is ``{begin of a minute, epoch seconds: value}``.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import sqrt

MINUTE = 60.0
LATE = 180.0
"""Seconds after which an absent point is missing: points of load balancers come up to three minutes late."""
COMMON = 0.1
"""A class of statuses that has at least this share of the answers shows by its newest point until when they are
known."""
SIGMAS = 3.0
"""Requests that nobody answered are errors beyond so many standard deviations of the usual number."""

Series = Mapping[float, float]


@dataclass(frozen=True)
class GroupCounts:
    """What is counted for one target group."""

    requests: Series
    """``RequestCount``: requests for which a target was chosen."""
    answers: tuple[Series, ...]
    """``HTTPCode_Target_2XX_Count`` and those of 3XX, 4XX and 5XX."""
    healthy: Series
    """``HealthyHostCount``; empty where no target is wanted."""

    def has_no_target(self, minute: float, newest: float) -> bool:
        """Whether the group had no healthy target, which is known of a minute without a point only after ``LATE``."""
        if minute in self.healthy:
            return self.healthy[minute] < 1
        began = min(self.healthy, default=minute)
        return began < minute <= newest - LATE and minute not in self.requests

    def answers_known(self, minute: float, newest: float) -> bool:
        """Whether all answers of a minute are counted by now."""
        sums = [sum(series.values()) for series in self.answers]
        common = [series for series, each in zip(self.answers, sums, strict=True) if each >= COMMON * sum(sums) > 0]
        known = bool(common) and all(max(series) >= minute for series in common)
        return known or minute <= newest - LATE

    def unanswered(self, minute: float, usual: float) -> float:
        """Return how many of a minute's requests nobody answered, beyond the ``usual`` share of them.

        What is answered in the next minute is not unanswered.
        """
        open_ = self._open(minute)
        expected = usual * self.requests.get(minute, 0.0)
        chance = SIGMAS * sqrt(expected * (1 - usual))
        return max(0.0, min(open_, open_ + self._open(minute + MINUTE)) - expected - chance)

    def usual_share(self, errors: Collection[float], newest: float) -> float:
        """Return which share of the requests was unanswered in the minutes without ``errors``."""
        quiet = [minute for minute in self.requests if minute not in errors and minute <= newest - LATE]
        asked = sum(self.requests[minute] for minute in quiet)
        return min(max(sum(map(self._open, quiet)) / asked, 0.0), 1.0) if asked else 0.0

    def _open(self, minute: float) -> float:
        return self.requests.get(minute, 0.0) - sum(series.get(minute, 0.0) for series in self.answers)

    @property
    def every(self) -> Iterator[Series]:
        yield from (self.requests, *self.answers, self.healthy)


@dataclass(frozen=True)
class OwnErrors:
    """It tells whose errors those of a shared load balancer are; ``groups`` are the service's that stand behind it."""

    balancer_5xx: Series
    """``HTTPCode_ELB_5XX_Count``"""
    groups: Sequence[GroupCounts]

    @cached_property
    def without_target(self) -> dict[float, float]:
        """The errors of minutes in which one of the groups had no healthy target: all of them count as ours."""
        return {
            minute: errors
            for minute, errors in self.balancer_5xx.items()
            if errors and any(group.has_no_target(minute, self._newest) for group in self.groups)
        }

    @cached_property
    def unanswered(self) -> tuple[dict[float, float], ...]:
        """For each group, its requests of the other minutes that the load balancer answered with an error."""
        found: list[dict[float, float]] = [{} for _ in self.groups]
        for minute, shares in self._unanswered.items():
            if minute not in self.undecided:
                most = min(1.0, self.balancer_5xx[minute] / sum(shares))
                for series, share in zip(found, shares, strict=True):
                    series[minute] = share * most
        return tuple(found)

    @cached_property
    def undecided(self) -> frozenset[float]:
        """The minutes of which it is not known yet how many requests were answered."""
        return frozenset(
            minute
            for minute in self._unanswered
            if not all(group.answers_known(minute, self._newest) for group in self.groups)
        )

    @property
    def errors(self) -> dict[float, float]:
        """The load balancer's errors that are the service's."""
        found = dict(self.without_target)
        for series in self.unanswered:
            for minute, count in series.items():
                found[minute] = found.get(minute, 0.0) + count
        return dict(sorted(found.items()))

    @cached_property
    def _unanswered(self) -> dict[float, list[float]]:
        """Return, for each minute with errors and without an answer, how many requests of each group had none."""
        failed = {minute for minute, errors in self.balancer_5xx.items() if errors}
        usual = [group.usual_share(failed, self._newest) for group in self.groups]
        found = {
            minute: [group.unanswered(minute, share) for group, share in zip(self.groups, usual, strict=True)]
            for minute in failed - self.without_target.keys()
        }
        return {minute: shares for minute, shares in found.items() if any(shares)}

    @cached_property
    def _newest(self) -> float:
        """The newest minute of which anything is known: it tells how late points are at present."""
        every = (self.balancer_5xx, *(series for group in self.groups for series in group.every))
        return max((minute for series in every for minute in series), default=0.0)
