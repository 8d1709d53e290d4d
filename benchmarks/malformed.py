"""A flood of messages of which a third is malformed: each of those is a dead letter, each other one is handled once.

``python -m benchmarks.malformed --messages 100000``; exit code 1 when that is not so. It also says what the malformed
ones cost, as the ratio to the same number of messages without any, by turns.
"""

import argparse
import asyncio
import logging
import statistics
import sys

import structlog
from redis.asyncio import Redis

from benchmarks.flood import Outcome, flood
from benchmarks.mixture import SHARE, mixture
from benchmarks.servers import kafka_and_redis

PART = 10_000
"""How many messages are sent with and then without malformed ones, by turns."""
SLOWEST = 50.0
"""The rate, in messages a second, below which something hangs."""


async def _part(number: int, *, malformed: bool, first: int) -> Outcome:
    """Measure so many messages on a Kafka and a Redis of their own."""
    with kafka_and_redis() as environment:
        async with Redis.from_url(environment["REDIS_URL"]) as redis:
            samples = mixture(number, malformed=malformed, first=first, seed=first)
            return await flood(environment["KAFKA_BOOTSTRAP_SERVERS"], redis, samples, longest=60 + number / SLOWEST)


async def measure(messages: int) -> int:
    """Print the results; return the number of violations."""
    halves: dict[bool, list[Outcome]] = {True: [], False: []}
    for turn, first in enumerate(range(0, messages, PART)):
        for malformed in (True, False) if turn % 2 else (False, True):
            outcome = await _part(min(PART, messages - first), malformed=malformed, first=first)
            halves[malformed].append(outcome)
            for fault in outcome.violations:
                print(f"FAULT: {fault}")
    bad, clean = halves[True], halves[False]
    ratios = [outcome.rate / other.rate for outcome, other in zip(bad, clean, strict=True)]
    letters, expected = sum(outcome.letters.total() for outcome in bad), sum(len(outcome.expected) for outcome in bad)
    print(f"{messages} messages, one of {SHARE} malformed: {letters} dead letters of {expected}")
    sent, handled = sum(outcome.sent.count for outcome in bad), sum(outcome.handled.count for outcome in bad)
    print(f"  the other {sent}: {handled} handled")
    rates = [statistics.median(outcome.rate for outcome in half) for half in (bad, clean)]
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}, {len(ratios)} rounds"
    print(f"  {rates[0]:.0f}/s, without malformed ones {rates[1]:.0f}/s: {statistics.median(ratios):.2f} ({spread})")
    return sum(len(outcome.violations) for outcome in (*bad, *clean))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.malformed", description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    return 1 if asyncio.run(measure(given.messages)) else 0


if __name__ == "__main__":
    sys.exit(main())
