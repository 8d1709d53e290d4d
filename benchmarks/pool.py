"""Plays many rehearsals in several processes."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import TypeVar

from services._chassis.telemetry import configure_logs

T = TypeVar("T")

PLAYED_BY_A_PROCESS = 25
"""After so many the processes are replaced: FastAPI's caches keep what each rehearsal has built, some 25 MB.

Not by ``max_tasks_per_child``: with it Python 3.11 may wait for ever (https://github.com/python/cpython/issues/115634).
"""


def in_processes(play: Callable[[str], T], names: Sequence[str], processes: int) -> Iterator[T]:
    """Yield what ``play`` returns for each name, as soon as it is known."""
    most = processes * PLAYED_BY_A_PROCESS
    for begin in range(0, len(names), most):
        with ProcessPoolExecutor(processes, initializer=_quiet) as pool:
            waiting = [pool.submit(play, name) for name in names[begin : begin + most]]
            for done in as_completed(waiting):
                yield done.result()


def _quiet() -> None:
    configure_logs("critical", "benchmarks")
