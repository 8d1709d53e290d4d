"""Continuous checks: what is known after each look, and what of it is published."""

from collections.abc import Iterable

from contracts.base import Target
from contracts.state import State
from services.health.domain.checks import Check, Finding
from services.health.domain.score import Rating, Score

REPEAT_SECONDS = 900.0
"""Product seconds after which an unchanged score is published again, so that it is not taken for silence."""
STALE_INTERVALS = 4
"""A look that has not ended after so many intervals counts as lost, and the next one may begin."""


class Checking(State):
    """The continuous checks of one target."""

    enabled: bool = False
    looking_since: float | None = None
    """Product time at which the look under way began."""
    rating: Rating | None = None
    low: float | None = None
    high: float | None = None
    bad: tuple[str, ...] = ()
    """Names of the checks that were bad at the last look."""
    published_at: float | None = None
    """Product time at which the score was last published."""

    def starts(self) -> "Checking":
        return self.replace(enabled=True)

    def looks(self, now: float) -> "Checking":
        return self.replace(looking_since=now)

    def may_look(self, now: float, interval: float) -> bool:
        """Whether no look is under way: a slow application must not pile them up."""
        return self.looking_since is None or now - self.looking_since >= STALE_INTERVALS * interval

    def after(self, score: Score, checks: Iterable[Check], now: float, *, exists: bool) -> "Checking":
        """Return the state after a look. A service that is gone is not checked any more."""
        return Checking(
            enabled=self.enabled and exists,
            rating=score.rating,
            low=score.low,
            high=score.high,
            bad=tuple(check.name for check in checks if check.finding is Finding.BAD),
            published_at=now if self.is_due(score, now) else self.published_at,
        )

    def is_due(self, score: Score, now: float) -> bool:
        """Whether the score is to be published: its rating or a rounded end has changed, or it is time to repeat it."""
        if self.rating is None or self.low is None or self.high is None or self.published_at is None:
            return True
        if now - self.published_at >= REPEAT_SECONDS:
            return True
        before = (self.rating, round(self.low), round(self.high))
        return before != (score.rating, round(score.low), round(score.high))

    def turned_bad(self, checks: Iterable[Check]) -> tuple[Check, ...]:
        """Return the checks that are bad now and were not at the last look."""
        return tuple(check for check in checks if check.finding is Finding.BAD and check.name not in self.bad)


def checks_key(target: Target) -> str:
    return f"checks:{target}"
