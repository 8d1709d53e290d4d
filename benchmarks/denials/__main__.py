"""The command line of the denial matrix: ``python -m benchmarks.denials``; ``make denials`` calls it."""

import argparse
import sys
import time
from functools import partial
from pathlib import Path

import orjson
from rich.console import Console

from benchmarks.denials.cells import matrix
from benchmarks.denials.report import play, report, result_of, wrong
from benchmarks.pool import in_processes

KEPT = Path(".surefoot/denials/cells.jsonl")
console = Console(stderr=True, highlight=False)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.denials", description=__doc__)
    parser.add_argument("--only", default="", help="cells whose names have all these words")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=60, help="begin no cell after so many minutes")
    parser.add_argument("--resume", action="store_true", help="keep what an interrupted run has played")
    parser.add_argument("--json", action="store_true", help="each cell and its end as JSON on stdout")
    return parser.parse_args()


def main() -> int:
    """Play the matrix and print the report; 1 where a cell is wrong or was not played."""
    asked = options()
    cells = [cell for cell in matrix() if set(asked.only.split()) <= set(cell.name.split())]
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    if not asked.resume:
        KEPT.unlink(missing_ok=True)
    results = [result_of(orjson.loads(line)) for line in KEPT.read_bytes().splitlines()] if KEPT.exists() else []
    known = {result.cell for result in results}
    left = [cell.name for cell in cells if cell not in known]
    results = [result for result in results if result.cell in cells]
    until = time.time() + asked.minutes * 60
    with KEPT.open("ab") as file:
        for number, found in enumerate(in_processes(partial(play, until=until), left, asked.processes), 1):
            if found is None:
                continue
            file.write(orjson.dumps(found.as_json()) + b"\n")
            file.flush()
            results.append(found)
            console.print(f"{number}/{len(left)} {found.cell.name}: {found.worth}", markup=False, soft_wrap=True)
    if asked.json:
        shown = [{**result.as_json(), "is": result.worth} for result in results]
        print(orjson.dumps(shown, option=orjson.OPT_INDENT_2).decode())
    else:
        print(report(results))
    if len(results) < len(cells):
        console.print(f"{len(cells) - len(results)} of {len(cells)} cells were not played", style="red")
    return int(len(results) < len(cells) or bool(wrong(results)))


if __name__ == "__main__":
    sys.exit(main())
