"""The minutes on all sides of a change that are compared."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, floor

from services.monitor.domain.history import Stretch, outside
from services.monitor.domain.metrics import MINUTE, Readings, Series

BASELINE = 120
"""So many minutes before the change are read: few minutes do not tell how much errors vary by themselves."""
RECENT = 60
"""So many of them are compared by ranks, since a load that changes over the day would count for the change's."""


@dataclass(frozen=True, slots=True)
class GoodStart:
    """What the metrics showed after an earlier deployment began, which has become a good one."""

    began_at: float
    """Epoch seconds."""
    readings: Readings


@dataclass(frozen=True, slots=True)
class Span:
    """The minutes that are compared; all times are epoch seconds."""

    changed_at: float
    """When the change was applied: what ended by then is of the version before."""
    asked_at: float
    """When the new version had taken over: what begins from then on is its own."""
    until: float
    """When an answer must be given at the latest."""
    now: float
    attempts: tuple[Stretch, ...] = ()
    """When a failed attempt served before the change."""

    @property
    def planned(self) -> int:
        """Minutes over which the looks are spread."""
        return max(1, floor((self.until - self._begin) / MINUTE))

    @property
    def _begin(self) -> float:
        return ceil(self.asked_at / MINUTE) * MINUTE

    def sides(self, series: Series) -> tuple[dict[int, float], dict[int, float]]:
        """Return the recent minutes before the change, and those since."""
        return self.before(series, RECENT), self.after(series)

    def covers(self, before: Mapping[int, object]) -> int:
        """Return how many minutes lie between the first of ``before`` and the change, without those of attempts."""
        end = round((floor(self.changed_at / MINUTE) * MINUTE - self._begin) / MINUTE)
        every = (self._begin + number * MINUTE for number in range(min(before, default=end), end))
        return sum(outside(at, MINUTE, self.attempts) for at in every)

    def before(self, series: Series, minutes: int) -> dict[int, float]:
        """Return the minutes before the change; those of a failed attempt are not of the version before."""
        end = floor(self.changed_at / MINUTE) * MINUTE
        usual = {at: value for at, value in series.items() if outside(at, MINUTE, self.attempts)}
        return self._numbered(usual, end - minutes * MINUTE, end)

    def after(self, series: Series) -> dict[int, float]:
        return self._numbered(series, self._begin, floor(self.now / MINUTE) * MINUTE)

    def then(self, start: GoodStart, series: Series) -> dict[int, float]:
        """Return the same minutes after an earlier deployment, by the numbers of those since this one."""
        begin = start.began_at + self._begin - self.changed_at
        return {round((at - begin) / MINUTE): value for at, value in sorted(series.items())}

    def _numbered(self, series: Series, begin: float, end: float) -> dict[int, float]:
        """Return the minutes from ``begin`` until ``end``, numbered from the first one since the change."""
        return {
            round((at - self._begin) / MINUTE): value
            for at, value in sorted(series.items())
            if begin <= at and at + MINUTE <= end
        }
