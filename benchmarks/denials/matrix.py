"""What the matrices of single verbs share: the harm, and playing all cells from the command line."""

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, TypeVar

from rich.console import Console

from benchmarks.pool import in_processes
from sandbox.scenarios.harm import Kind

HARMS = (Kind.DENY, Kind.THROTTLE, Kind.HANG, Kind.ERROR_BEFORE, Kind.ERROR_AFTER)


@dataclass(frozen=True, slots=True)
class Harmed:
    """A cell: an operation of AWS, and the harm that is done to it from the beginning on."""

    operation: str
    """``service:Operation``."""
    harm: Kind

    @property
    def name(self) -> str:
        return " ".join(str(getattr(self, field.name)) for field in fields(self))

    def rule(self, agent: str) -> dict[str, Any]:
        """Return the harm as a scenario has it. It meets the calls of this ``agent`` alone."""
        service, operation = self.operation.split(":")
        return {"at": 0, "kind": self.harm, "service": service, "operation": operation, "agent": agent}


Cell = TypeVar("Cell", bound=Harmed)


def with_name(cells: Iterable[Cell], name: str) -> Cell:
    """Return the cell of this name. Raise ``ValueError`` where there is none, or another one of that name."""
    [cell] = [cell for cell in cells if cell.name == name]
    return cell


@dataclass(frozen=True, slots=True)
class Line:
    """What is printed of a cell that was played."""

    name: str
    worth: StrEnum
    why: str
    """How it ended, in its own words; may be empty."""
    right: bool


def play_all(module: str, about: str | None, what: str, names: Sequence[str], play: Callable[[str], Line]) -> int:
    """Play the cells that the command line names, or all, and print each end; 1 where one is wrong.

    ``module``: the last part of ``python -m benchmarks.denials.…``. ``what``: what is played, in the plural. ``play``
    runs in a process of its own, so that it is a function of a module.
    """
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.denials.{module}", description=about)
    parser.add_argument("--only", default="", help="cells whose names have all these words")
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    chosen = [name for name in names if set(asked.only.split()) <= set(name.split())]
    console, wrong = Console(highlight=False), 0
    for line in in_processes(play, chosen, asked.processes):
        wrong += not line.right
        console.print(f"{line.name}: {line.worth}{line.why and f' ({line.why})'}", markup=False, soft_wrap=True)
    console.print(f"{len(chosen)} {what}, {wrong} of them wrong")
    return int(wrong > 0)
