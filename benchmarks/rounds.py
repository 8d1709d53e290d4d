"""Runs two implementations by turns, and compares their figures. Only the rounds themselves do I/O."""

import statistics
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

Round = Callable[[], Awaitable[float]]
"""One round; returns a rate, in things a second."""


@dataclass(frozen=True, slots=True)
class Compared:
    """Rates of ours and of the bare script in each round, in things a second."""

    what: str
    ours: tuple[float, ...]
    bare: tuple[float, ...]

    @property
    def ratios(self) -> tuple[float, ...]:
        """Return our rate divided by the bare one, round by round: both halves of a round met the same load."""
        return tuple(ours / bare for ours, bare in zip(self.ours, self.bare, strict=True))

    @property
    def ratio(self) -> float:
        return statistics.median(self.ratios)

    def __str__(self) -> str:
        return (
            f"{self.what:<44} {statistics.median(self.ours):>8.0f}/s {statistics.median(self.bare):>8.0f}/s"
            f"   {self.ratio:.2f} ({min(self.ratios):.2f} to {max(self.ratios):.2f}, {len(self.ratios)} rounds)"
        )


HEAD = f"{'':<44} {'ours':>10} {'bare':>10}   ratio"


async def by_turns(what: str, ours: Round, bare: Round, rounds: int) -> Compared:
    """Run both once to warm up, and then ``rounds`` times; the order alternates."""
    await ours()
    await bare()
    figures: dict[Round, list[float]] = {ours: [], bare: []}
    for number in range(rounds):
        for side in (ours, bare) if number % 2 else (bare, ours):
            figures[side].append(await side())
    return Compared(what, tuple(figures[ours]), tuple(figures[bare]))


def quantile(seconds: Sequence[float], share: float) -> float:
    """Return the smallest figure that at least ``share`` of all figures do not exceed."""
    ordered = sorted(seconds)
    return ordered[max(0, -(-len(ordered) * round(share * 100) // 100) - 1)]
