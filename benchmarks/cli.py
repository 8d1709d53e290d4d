"""``python -m benchmarks.cli``: processor time of commands that people wait for, as ratios to ``python -c pass``."""

import resource
import subprocess
import sys
from collections.abc import Sequence
from statistics import median

ROUNDS = 7
MOST = {("--version",): 8.0, ("sandbox", "scenarios"): 80.0, ("dead-letters", "--help"): 160.0}
"""The largest ratio that each may have."""


def seconds(command: Sequence[str]) -> float:
    """Return the processor time of a command, its children included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *command], stdout=subprocess.DEVNULL, check=True)  # noqa: S603  our own commands
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def ratio(tokens: Sequence[str]) -> tuple[float, float]:
    """Return the median ratio of a command to a bare interpreter, by turns, and the command's own seconds."""
    seconds(["-m", "surefoot", *tokens])  # once beforehand, for what is compiled at the first time
    ours, ratios = [], []
    for _ in range(ROUNDS):
        bare = seconds(["-c", "pass"])
        ours.append(seconds(["-m", "surefoot", *tokens]))
        ratios.append(ours[-1] / bare)
    return median(ratios), median(ours)


def main() -> int:
    """Print a line for each command; return 1 where one takes more than it may."""
    too_slow = False
    for tokens, most in MOST.items():
        times, own = ratio(tokens)
        too_slow = too_slow or times > most
        print(f"surefoot {' '.join(tokens)}: {times:.1f} times python -c pass (at most {most:g}), {own:.2f} s")
    return int(too_slow)


if __name__ == "__main__":
    sys.exit(main())
