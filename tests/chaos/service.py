"""One service, started as by ``python -m services.<name>``, with the faults that the harness causes from inside.

A wrong clock and a newer version can only be had from inside the process, and a mutant replaces one protection.
"""

import argparse
import time

from contracts.topics import SERVICES
from services._chassis.run import main
from tests.chaos.newer import become_newer


def _wrong_clock(seconds: float) -> None:
    right = time.time
    time.time = lambda: right() + seconds


def run() -> None:
    """Read the command line, and run the service."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.service")
    parser.add_argument("service", choices=sorted(SERVICES))
    parser.add_argument("--skew", type=float, default=0.0, help="seconds by which its clock is wrong")
    parser.add_argument("--newer", action="store_true", help="of the next version")
    parser.add_argument("--mutant", default="", help="the protection that it lacks")
    options = parser.parse_args()
    if options.skew:
        _wrong_clock(options.skew)
    if options.newer:
        become_newer()
    if options.mutant:
        from tests.chaos.mutants import install

        install(options.mutant)
    main(f"services.{options.service}")


if __name__ == "__main__":
    run()
