"""The report as Markdown: the operations by harm, and each wrong cell with what it said."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.denials.cells import CLOCK, HARMS, Cell, with_name
from benchmarks.denials.operations import OPERATIONS
from benchmarks.denials.play import played
from benchmarks.denials.rule import ACCEPTED, Ended, Worth, worth

MOST_OF_A_REASON = 240


@dataclass(frozen=True, slots=True)
class Result:
    cell: Cell
    ended: Ended

    @property
    def worth(self) -> Worth:
        return worth(self.cell, self.ended)

    def as_json(self) -> dict[str, Any]:
        return {"cell": self.cell.name, "ended": asdict(self.ended)}


def play(name: str, until: float) -> Result | None:
    """Play one cell; None after ``until``, in epoch seconds."""
    if time.time() > until:
        return None
    cell = with_name(name)
    return Result(cell, played(cell))


def result_of(kept: dict[str, Any]) -> Result:
    """Read what ``as_json`` wrote."""
    return Result(with_name(kept["cell"]), Ended(**kept["ended"]))


def wrong(results: Sequence[Result]) -> list[Result]:
    return [result for result in results if result.worth not in ACCEPTED]


def report(results: Sequence[Result]) -> str:
    return "\n\n".join(("\n".join(_sums(results)), "\n".join(_table(results)), "\n".join(_listed(results))))


def _sums(results: Sequence[Result]) -> Iterator[str]:
    counts = Counter(result.worth for result in results)
    yield f"{len(results)} deployments"
    yield ""
    yield "| the end is | cells |"
    yield "|---|---|"
    for kind in Worth:
        yield f"| {kind} | {counts[kind]} |"


def _table(results: Sequence[Result]) -> Iterator[str]:
    yield f"| operation | {' | '.join(HARMS)} |"
    yield "|---" * (len(HARMS) + 1) + "|"
    for operation in OPERATIONS:
        found = [[r for r in results if (r.cell.operation, r.cell.harm) == (operation, harm)] for harm in HARMS]
        yield f"| {operation} | {' | '.join(map(_shown, found))} |"
    yield f"| clocks | {_shown([result for result in results if result.cell.operation == CLOCK])} |" + " |" * 4


def _shown(results: Sequence[Result]) -> str:
    """Return how many are right, refused and without verdict, and how many are wrong by what."""
    counts = Counter(result.worth for result in results)
    accepted = sum(counts[kind] for kind in ACCEPTED)
    faults = ", ".join(f"{counts[kind]} {kind}" for kind in Worth if kind not in ACCEPTED and counts[kind])
    return f"{accepted} of {len(results)}{f': {faults}' if faults else ''}" if results else "—"


def _listed(results: Sequence[Result]) -> Iterator[str]:
    for result in sorted(wrong(results), key=lambda result: (result.worth, result.cell.name)):
        reason = result.ended.reason
        short = reason if len(reason) <= MOST_OF_A_REASON else f"{reason[:MOST_OF_A_REASON]}…"
        yield f"- {result.worth}: *{result.cell.name}*: {result.ended.outcome}. It said: {short}"
