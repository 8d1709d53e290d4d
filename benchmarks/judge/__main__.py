"""The judge's command line: ``python -m benchmarks.judge``; ``make judge`` calls it."""

import argparse
import sys
import time
import traceback
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console

from benchmarks.judge.ended import Ended
from benchmarks.judge.matrix import AXES, LEAST_CELLS, matrix, with_name
from benchmarks.judge.play import by_ecs, by_surefoot
from benchmarks.judge.report import Result, as_json, result_of
from benchmarks.judge.table import kinds, listed, table
from benchmarks.pool import in_processes

HOME = Path(".surefoot/judge")
console = Console(stderr=True, highlight=False)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.judge", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the matrix and of all its deployments")
    parser.add_argument("--cells", type=int, default=LEAST_CELLS, help="at least; each pair is covered in any case")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", default="", help="cells whose names have all these words")
    parser.add_argument("--resume", action="store_true", help="keep what an interrupted run with this seed has played")
    parser.add_argument("--minutes", type=float, default=60, help="begin no cell after so many minutes")
    parser.add_argument("--json", action="store_true", help="figures and wrong cells as JSON on stdout")
    return parser.parse_args()


def main() -> int:
    """Play the matrix and print the report; 1 where a cell was not played."""
    asked = options()
    cells = [cell for cell in matrix(asked.seed, asked.cells) if set(asked.only.split()) <= set(cell.name.split())]
    HOME.mkdir(parents=True, exist_ok=True)
    kept = HOME / f"{asked.seed}.jsonl"
    results = _kept(kept) if asked.resume else []
    if not asked.resume:
        kept.unlink(missing_ok=True)
    known = {result.played.name for result in results}
    left = [cell.name for cell in cells if cell.name not in known]
    until = time.time() + asked.minutes * 60
    one = partial(play, seed=asked.seed, until=until)
    with kept.open("ab") as file:
        for number, found in enumerate(in_processes(one, left, asked.processes), 1):
            if found is None:
                continue
            file.write(orjson.dumps(found) + b"\n")
            file.flush()
            results.append(result_of(found))
            console.print(f"{number}/{len(left)} {found['cell']}: {results[-1].worth('surefoot')}", markup=False)
    if asked.json:
        print(orjson.dumps(as_json(asked.seed, results), option=orjson.OPT_INDENT_2).decode())
    else:
        print("\n\n".join((table(results), *(kinds(results, axis) for axis in AXES), "\n".join(listed(results)))))
    if len(results) < len(cells):
        console.print(f"{len(cells) - len(results)} of {len(cells)} cells were not played", style="red")
    return int(len(results) < len(cells))


def play(name: str, seed: int, until: float) -> dict[str, Any] | None:
    """Play one cell by both sides; None where its time has come too late."""
    if time.time() > until:
        return None
    cell = with_name(name)
    return Result(cell, *(_played(side, cell, seed) for side in (by_surefoot, by_ecs))).as_json()


def _played(side: Any, cell: Any, seed: int) -> Ended:
    try:
        ended: Ended = side(cell, seed)
    except Exception as error:  # noqa: BLE001  a fault of one cell is that cell's result
        last = traceback.extract_tb(error.__traceback__)[-1]
        return Ended("fault", None, reason=f"{type(error).__name__}: {error} ({last.filename}:{last.lineno})")
    return ended


def _kept(path: Path) -> list[Result]:
    return [result_of(orjson.loads(line)) for line in path.read_bytes().splitlines()] if path.exists() else []


if __name__ == "__main__":
    sys.exit(main())
