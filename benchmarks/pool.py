"""Plays many rehearsals in several processes."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import TypeVar

from services._chassis.telemetry import configure_logs

T = TypeVar("T")

PLAYED_BY_A_PROCESS = 20
"""After so many a process is replaced: FastAPI's caches keep the applications of each rehearsal, some 60 MB."""


def in_processes(play: Callable[[str], T], names: Iterable[str], processes: int) -> Iterator[T]:
    """Yield what ``play`` returns for each name, as soon as it is known. It must not be in a ``__main__`` module."""
    with ProcessPoolExecutor(processes, initializer=_quiet, max_tasks_per_child=PLAYED_BY_A_PROCESS) as pool:
        waiting = [pool.submit(play, name) for name in names]
        for done in as_completed(waiting):
            yield done.result()


def _quiet() -> None:
    configure_logs("critical", "benchmarks")
