"""Faults of a policy file: the place, and a sentence that says what to do."""

from collections.abc import Iterable
from dataclasses import dataclass

from contracts.prose import prose


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A position in a file; lines and columns count from 1. Line 0 stands for something that has no lines."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    @property
    def short(self) -> str:
        """Return the place as ``file:line``."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One fault of a policy file. Its sentence may quote the file: a policy holds no secrets."""

    place: Place
    path: str
    """``services[2].rules.cpu.threshold``; empty where the fault is about the file as a whole."""
    sentence: str

    def __str__(self) -> str:
        path = f"{self.path}: " if self.path else ""
        return prose(f"{self.place}: {path}{self.sentence}")


class PolicyFaults(Exception):
    """A policy cannot be used; ``faults`` are all of its faults, in the order of the file."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(sorted(set(faults)))
        super().__init__("\n".join(map(str, self.faults)))

    @property
    def summary(self) -> str:
        """Return the first fault, and how many more there are."""
        more = len(self.faults) - 1
        return f"{self.faults[0]}" + (f" (and {more} more)" if more else "")


def joined(path: str, key: str | int) -> str:
    """Return the path of a part: ``rules.cpu``, ``services[0]``."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key
