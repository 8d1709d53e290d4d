"""``python -m benchmarks.forged``: what whoever may write to Kafka can delay: from an alert to UpdateService.

Recovery demands signatures. By turns a rollback's alert comes alone, and behind a flood of unsigned alerts about the
same service, on its partition.
"""

import argparse
import asyncio
import logging
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import structlog
from redis.asyncio import Redis

from benchmarks.account import Account
from benchmarks.alerted import Subject, ours, subject_of
from benchmarks.rounds import quantile
from benchmarks.servers import everything
from benchmarks.starved import SPEED, recovery
from benchmarks.talk import talking
from contracts.topics import Party
from sandbox.child import claim_port
from services._chassis.clock import Pace, PacedClock
from services._chassis.kafka_connection import KafkaConnection
from services._chassis.signatures import Signer
from services._chassis.signing_keys import create_all, private_path, read_private
from services._chassis.store import RedisStore
from services._chassis.topics import ensure_topics
from services._chassis.unhandled import MOST_UNTRUSTED

SIZES = (1_000, 10_000)
"""Forged alerts before each genuine one."""
MOST_SECONDS_EACH = 0.0005
"""The most real seconds that a genuine alert may wait for one forged message before it."""


async def flood(subject: Subject, run: str, size: int) -> None:
    """Send so many unsigned alerts about the subject; return when Kafka has them all."""
    forged = subject.alert(f"forged-{run}")
    headers = [header for header in forged.headers if header[0] != "surefoot_signature"]
    sent = [
        await subject.talk.producer.send(forged.topic, b"%d" % number, forged.key, headers=headers)
        for number in range(size)
    ]
    await asyncio.gather(*sent)


async def by_turns(environment: dict[str, str], signers: Mapping[Party, Signer], rounds: int) -> dict[int, list[float]]:
    """Return the real seconds from an alert to UpdateService, by how many forged alerts come before it."""
    account, clock = Account(environment), PacedClock(Pace.parse(environment["SUREFOOT_CLOCK"]))
    seconds: dict[int, list[float]] = {size: [] for size in (0, *SIZES)}
    async with (
        talking(environment["KAFKA_BOOTSTRAP_SERVERS"], clock, signers) as talk,
        Redis.from_url(environment["REDIS_URL"]) as redis,
    ):
        subject = await subject_of(account, talk, RedisStore(redis, "recovery", clock), 1)
        await ours(subject, "first")  # clients are built at their first use
        await flood(subject, "first", MOST_UNTRUSTED + 1)
        for number in range(rounds):
            for size, found in seconds.items():
                run = f"{size}-{number}"
                found.append((await ours(subject, run, partial(flood, subject, run, size))).seconds)
    return seconds


def measure(rounds: int) -> bool:
    """Measure and print; return whether the flood delays a rollback no more than it may."""
    with TemporaryDirectory(prefix="surefoot-bench-") as name, everything(speed=SPEED, services=1) as servers:
        environment = servers | dict(create_all(Path(name)))
        signers = {
            party: Signer(read_private(private_path(Path(name), party)))
            for party in (Party.ORCHESTRATOR, Party.MONITOR)
        }
        asyncio.run(ensure_topics(KafkaConnection(environment["KAFKA_BOOTSTRAP_SERVERS"]), 1))
        with recovery(environment, claim_port(0)):
            seconds = asyncio.run(by_turns(environment, signers, rounds))
    print(f"alert → UpdateService behind unsigned alerts on its partition, {rounds} rollbacks each")
    met = [_told(size, seconds[0], found) for size, found in seconds.items()]  # all are printed
    return all(met)


def _told(size: int, alone: Sequence[float], found: Sequence[float]) -> bool:
    each = (median(found) - median(alone)) / max(size, 1)
    line = f"{size:>7,} before it   median {median(found) * 1000:>6.0f} ms   p90 {quantile(found, 0.9) * 1000:>6.0f} ms"
    if not size:
        print(line)
        return True
    met = each <= MOST_SECONDS_EACH
    aim = f"{each * 1000:.2f} ms for each, aim ≤ {MOST_SECONDS_EACH * 1000}: {'met' if met else 'NOT MET'}"
    print(f"{line}   ratio {median(found) / median(alone):.2f}   {aim}", flush=True)
    return met


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.forged", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    return 0 if measure(given.rounds) else 1


if __name__ == "__main__":
    sys.exit(main())
