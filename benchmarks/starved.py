"""``python -m benchmarks.starved``: what callers over HTTP can delay: from an alert to its rollback's UpdateService.

Recovery has 1,024 descriptors, and S3 takes 200 ms for each call. By turns it is left alone, and has 200 slow clients
that list snapshots and 1,100 connections that never say anything; then callers with wrong credentials.
"""

import argparse
import asyncio
import json
import logging
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import httpx2
import structlog
from redis.asyncio import Redis

from benchmarks.account import Account
from benchmarks.alerted import ours, subject_of
from benchmarks.rounds import quantile
from benchmarks.servers import everything, python
from benchmarks.talk import LONGEST, talking
from sandbox.child import HOST, claim_port
from services._chassis.clock import Pace, PacedClock
from services._chassis.kafka_connection import KafkaConnection
from services._chassis.store import RedisStore
from services._chassis.topics import ensure_topics

SPEED = 20.0
"""Product seconds in a real second; a rollback has to end before the next can begin."""
DESCRIPTORS = 1_024
S3_SECONDS = 0.2
MOST = 2.0
"""The largest ratio of a flooded recovery's median to that of one that is left alone."""
SNAPSHOTS = 10
"""How many snapshots a list has."""
FLOODS: dict[str, Sequence[str]] = {
    "200 slow clients on the snapshots, 1,100 half-open connections": ("--clients", "200", "--half-open", "1100"),
    "1,000 wrong credentials a second": ("--wrong", "1000"),
}


@contextmanager
def flooding(port: int, path: str, kind: Sequence[str], directory: Path) -> Iterator[None]:
    """Flood recovery, and print what its callers saw."""
    tally = directory / "tally.json"
    options = ("--port", str(port), "--path", path, "--tally", str(tally))
    with python("benchmarks.slow_callers", {}, *options, *kind):
        time.sleep(3)  # until all are there
        yield
    seen = json.loads(tally.read_text())
    seconds = seen.pop("seconds")
    print(f"  callers saw, in {seconds:.0f} s: {', '.join(f'{what}: {number}' for what, number in seen.items())}")


@contextmanager
def few_descriptors() -> Iterator[None]:
    """Let the processes that are started meanwhile have few descriptors."""
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))


@contextmanager
def recovery(environment: dict[str, str], port: int) -> Iterator[None]:
    with ExitStack() as running:
        with few_descriptors():
            running.enter_context(python("services.recovery", {**environment, "SUREFOOT_HTTP_PORT": str(port)}))
        _wait_until_ready(port)
        yield


def _wait_until_ready(port: int) -> None:
    deadline = time.monotonic() + LONGEST
    while time.monotonic() < deadline:
        with suppress(httpx2.HTTPError):
            if httpx2.get(f"http://{HOST}:{port}/readyz", timeout=5).status_code == 200:
                return
        time.sleep(0.2)
    raise TimeoutError("recovery does not get ready")


async def reactions(environment: dict[str, str], name: str, rounds: int) -> list[float]:
    """Return the real seconds from an alert to UpdateService, of so many rounds after one that does not count."""
    account, clock = Account(environment), PacedClock(Pace.parse(environment["SUREFOOT_CLOCK"]))
    async with (
        talking(environment["KAFKA_BOOTSTRAP_SERVERS"], clock) as talk,
        Redis.from_url(environment["REDIS_URL"]) as redis,
    ):
        subject = await subject_of(account, talk, RedisStore(redis, "recovery", clock), 1)
        found = [(await ours(subject, f"{name}-{number}")).seconds for number in range(rounds + 1)]
    return found[1:]


def measure(rounds: int, turns: int) -> bool:
    """Measure by turns, and print what was found; return whether no flood delays a rollback too long."""
    port, met = claim_port(0), True
    with everything(speed=SPEED, services=1) as environment, TemporaryDirectory(prefix="surefoot-bench-") as name:
        asyncio.run(ensure_topics(KafkaConnection(environment["KAFKA_BOOTSTRAP_SERVERS"]), 1))
        account = Account(environment)
        target = account.target(1)
        path = f"/api/v1/disaster-recovery/snapshots/{target.cluster}/{target.service}"
        with recovery(environment, port):
            account.control("POST", "harm", {"kind": "slow", "service": "s3", "delay": S3_SECONDS})
            for what, kind in FLOODS.items():
                quiet, flooded = list[float](), list[float]()
                for turn in range(turns):
                    quiet += asyncio.run(reactions(environment, f"quiet-{kind[0]}-{turn}", rounds))
                    with flooding(port, path, kind, Path(name)):
                        flooded += asyncio.run(reactions(environment, f"flooded-{kind[0]}-{turn}", rounds))
                met = _told(what, quiet, flooded) and met
    return met


def _told(what: str, quiet: Sequence[float], flooded: Sequence[float]) -> bool:
    ratio = median(flooded) / median(quiet)
    print(f"alert → UpdateService beside {what}, {len(quiet)} rollbacks each")
    for side, figures in (("left alone", quiet), ("flooded", flooded)):
        print(f"  {side:<11} median {median(figures) * 1000:>6.0f} ms   p90 {quantile(figures, 0.9) * 1000:>6.0f} ms")
    print(f"  ratio of the medians {ratio:.2f}, aim ≤ {MOST}: {'met' if ratio <= MOST else 'NOT MET'}", flush=True)
    return ratio <= MOST


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.starved", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="in each turn")
    parser.add_argument("--turns", type=int, default=3)
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    return 0 if measure(given.rounds, given.turns) else 1


if __name__ == "__main__":
    sys.exit(main())
