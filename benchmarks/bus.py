"""``python -m benchmarks.bus``: what the bus, ``apply`` and recovery cost, as ratios to bare scripts in the same run.

Both sides of a ratio are measured by turns on the same Kafka, Redis and AWS, so that whatever else the machine does
weighs on both.
"""

import argparse
import asyncio
import logging
from typing import Any

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from redis.asyncio import Redis

from benchmarks.alerted import alerted
from benchmarks.applied import applied
from benchmarks.bare_rollback import TOPIC
from benchmarks.handled import BARE_TOPIC, handled
from benchmarks.in_flight import DELAYS, in_flight
from benchmarks.rounds import HEAD
from benchmarks.servers import everything, kafka_and_redis, python
from contracts.topics import PARTITIONS
from services._chassis.kafka_connection import KafkaConnection
from services._chassis.topics import ensure_topics

SPEED = 20.0
"""Product seconds in a real second, as in the sandbox; a rollback has to end before the next can begin."""
LEAST_HANDLED = 0.8
LEAST_SIGNED = 0.75
MOST_ALERTED = 2.0


async def _topics(kafka: str) -> None:
    """Create our topics, and those of the bare scripts."""
    await ensure_topics(KafkaConnection(kafka), 1)
    admin: Any = AIOKafkaAdminClient(bootstrap_servers=kafka)
    topic: Any = NewTopic  # aiokafka has no types here
    await admin.start()
    await admin.create_topics([topic(name, PARTITIONS, 1) for name in (BARE_TOPIC, TOPIC)])
    await admin.close()


async def _throughput(environment: dict[str, str], messages: int, rounds: int) -> None:
    kafka = environment["KAFKA_BOOTSTRAP_SERVERS"]
    await _topics(kafka)
    async with Redis.from_url(environment["REDIS_URL"]) as redis:
        print(HEAD)
        compared, signed = await handled(kafka, redis, messages=messages, rounds=rounds)
        print(compared, f"aim ≥ {LEAST_HANDLED}: {_met(compared.ratio >= LEAST_HANDLED)}", flush=True)
        print(signed, f"aim ≥ {LEAST_SIGNED}: {_met(signed.ratio >= LEAST_SIGNED)}", flush=True)
        for at_once in (1, 16):
            print(await applied(redis, writes=messages, at_once=at_once, rounds=rounds), flush=True)


def _reaction(rounds: int) -> None:
    with everything(speed=SPEED, services=2) as environment:
        asyncio.run(_topics(environment["KAFKA_BOOTSTRAP_SERVERS"]))
        with _recovery(environment), python("benchmarks.bare_rollback", environment):
            found = asyncio.run(alerted(environment, rounds=rounds))
            met = all(found.ratio(share) <= MOST_ALERTED for share in (0.5, 0.99))
            print(found, f"\n  aim ≤ {MOST_ALERTED}: {_met(met)}", flush=True)


def _reaction_in_flight() -> None:
    with everything(speed=1.0, services=1 + len(DELAYS)) as environment:
        asyncio.run(_topics(environment["KAFKA_BOOTSTRAP_SERVERS"]))
        with _recovery(environment):
            print(asyncio.run(in_flight(environment)), flush=True)


def _recovery(environment: dict[str, str]) -> Any:
    return python("services.recovery", {**environment, "SUREFOOT_HTTP_PORT": "0"})


def _met(fact: bool) -> str:
    return "met" if fact else "NOT MET"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bus", description=__doc__)
    parser.add_argument("--messages", type=int, default=2_000, help="in each round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--alerts", type=int, default=100)
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with kafka_and_redis() as environment:
        asyncio.run(_throughput(environment, given.messages, given.rounds))
    _reaction(given.alerts)
    _reaction_in_flight()


if __name__ == "__main__":
    main()
