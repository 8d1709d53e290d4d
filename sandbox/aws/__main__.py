"""``python -m sandbox.aws --port 4566 --application-port 8090``: the simulated AWS as a process."""

import argparse
import logging
import os
import signal
import sys
import threading
from pathlib import Path

from sandbox.aws.server import SimulatedAws
from sandbox.aws.workloads import COURT, EVERYWHERE
from sandbox.scenarios.load import Unreadable, load


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    for number in (signal.SIGTERM, signal.SIGINT):
        # at once: nothing is kept, and under load the threads that still answer would hold up an orderly end
        signal.signal(number, lambda *_: os._exit(0))
    try:
        aws = _simulated(options)
        aws.start()
    except (OSError, ValueError, Unreadable) as error:
        sys.stderr.write(f"simulated AWS cannot start: {error}\n")
        return 1
    sys.stdout.write(f"simulated AWS is ready at {aws.endpoint}, the application at {aws.application_url}\n")
    for listening in aws.listeners.all:
        kind = "internal, " if listening.internal else ""
        balancer = listening.balancer.rpartition(":loadbalancer/")[2]
        sys.stdout.write(f"{balancer}: {kind}{listening.host}:{listening.port}\n")
    sys.stdout.flush()
    threading.Event().wait()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox.aws", description=__doc__)
    parser.add_argument("--port", type=int, default=4566, help="of the AWS endpoint")
    parser.add_argument("--application-port", type=int, default=8090, help="of the application's load balancer")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--advertise", help="the host name under which others reach it (default: --host)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed makes the same world")
    parser.add_argument("--history-days", type=int, default=3, help="days of metrics before the start")
    parser.add_argument("--services", type=int, default=1, help="how many of the kind there are in the cluster")
    parser.add_argument(
        "--elsewhere",
        nargs="*",
        type=int,
        metavar="PORT",
        help="also a second account and a second region; the ports of their load balancers (default: free ones)",
    )
    parser.add_argument(
        "--session-seconds", type=float, help="credentials of roles last no longer (default: as long as was asked for)"
    )
    parser.add_argument("--scenario", type=Path, help="what stands there: the world and the images of a scenario file")
    parser.add_argument("--lenient", action="store_true", help="no call is throttled, and no read lags behind")
    return parser


def _simulated(options: argparse.Namespace) -> SimulatedAws:
    """Raise ``Unreadable`` for a scenario file that cannot be read."""
    scenario = load(options.scenario) if options.scenario is not None else None
    return SimulatedAws(
        host=options.host,
        port=options.port,
        application_port=options.application_port,
        advertise=options.advertise,
        seed=options.seed,
        history_days=options.history_days,
        services=options.services,
        workloads=(COURT,) if options.elsewhere is None else EVERYWHERE,
        other_ports=options.elsewhere or (),
        session_seconds=options.session_seconds,
        scenario=scenario,
        throttles=not options.lenient,
        lags=not options.lenient,
    )


if __name__ == "__main__":
    sys.exit(main())
