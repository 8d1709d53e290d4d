"""Checks → score: an interval from 0 to 100, and a rating where both its ends agree."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from contracts.health import LevelScore
from services.health.domain.checks import Check, Finding, Level

Rating = Literal["excellent", "good", "fair", "poor", "critical", "unknown"]

WEIGHTS: dict[Level, float] = {"basic": 0.40, "performance": 0.35, "business": 0.25}
"""From the requirements (docs/requirements.md). A level without a check that applies gives its weight to the others."""
RANGES: tuple[tuple[float, Rating], ...] = ((90, "excellent"), (80, "good"), (70, "fair"), (60, "poor"))


@dataclass(frozen=True, slots=True)
class Score:
    """What is unknown counts as 0 in ``low`` and as 100 in ``high``."""

    low: float
    high: float
    levels: tuple[LevelScore, ...]

    @property
    def rating(self) -> Rating:
        """The range in which both ends lie, else ``unknown``."""
        low, high = _range(self.low), _range(self.high)
        return low if low == high else "unknown"


def score(checks: Iterable[Check]) -> Score:
    """Score a service. Without any check it lies anywhere between 0 and 100."""
    all_ = tuple(checks)
    present = [level for level in WEIGHTS if any(check.level == level for check in all_)]
    whole = sum(WEIGHTS[level] for level in present)
    levels = tuple(
        _level(level, WEIGHTS[level] / whole, tuple(check for check in all_ if check.level == level))
        for level in present
    )
    return Score(
        low=round(sum(level.low * level.weight for level in levels), 2),
        high=round(sum(level.high * level.weight for level in levels), 2) if levels else 100,
        levels=levels,
    )


def _level(level: Level, weight: float, checks: tuple[Check, ...]) -> LevelScore:
    """Score one level. It is 0 while a critical check is bad: users are not served then, whatever the others show."""
    whole = sum(check.weight for check in checks)
    good = sum(check.weight for check in checks if check.finding is Finding.GOOD)
    unknown = sum(check.weight for check in checks if check.finding is Finding.UNKNOWN)
    broken = any(check.critical and check.finding is Finding.BAD for check in checks)
    return LevelScore(
        level=level,
        low=0 if broken else round(100 * good / whole, 2),
        high=0 if broken else round(100 * (good + unknown) / whole, 2),
        weight=round(weight, 4),
    )


def _range(value: float) -> Rating:
    return next((rating for least, rating in RANGES if value >= least), "critical")
