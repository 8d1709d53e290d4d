"""``python -m benchmarks.listing``: the cost of a list of 50 runs among 100,000, as a ratio to that among 1,000.

Both lists are read by turns from the same Redis, through the code that the API uses. Runs are written by the product's
own ``apply``, with the indexes that the product gives them.
"""

import argparse
import asyncio
import statistics
import time
from typing import Any

from redis.asyncio import Redis

from benchmarks.servers import kafka_and_redis
from contracts.base import Target
from contracts.deployment import ImageChange, Outcome
from services._chassis.clock import Pace, PacedClock, moment
from services._chassis.policies import BuiltInPolicies
from services._chassis.store import RedisStore
from services._chassis.transition import Decision, Index, Transition
from services.orchestrator.adapters.history import StoredHistory
from services.orchestrator.decisions import MOST_RUNS
from services.orchestrator.domain.listing import Filters, indexes_of
from services.orchestrator.domain.view import RunView, run_key

MOST = 1.5
PAGE = 50
RARE = 60
"""How many runs the rare actor has, in both stores."""
AT_ONCE = 64
TARGET = Target(account="123456789012", region="us-west-2", cluster="shop", service="web")


def _run(number: int, count: int, now: float) -> RunView:
    rare = number % (count // RARE) == 0
    outcomes = list(Outcome)
    asked_at = moment(now - number)
    return RunView(
        run_id=f"{number * 2_654_435_761 % 2**32:08x}-0000-5000-8000-{number:012x}",
        target=TARGET.model_copy(update={"service": f"service-{number % 40}"}),
        status="finished",
        outcome=outcomes[number % len(outcomes)],
        actor="rare" if rare else f"actor-{number % 25}",
        change=ImageChange(reference="shop/web:2"),
        phases=(),
        asked_at=asked_at,
        started_at=asked_at,
        reason="Every check passed and every rule held.",
    )


async def _fill(store: RedisStore, count: int) -> None:
    now = store.clock.now()

    async def write(number: int) -> None:
        view = _run(number, count, now)
        at = (view.asked_at or moment(now)).timestamp()
        decision = Decision(
            records={run_key(view.run_id): view.model_dump_json().encode()},
            indexes=tuple(Index(name, view.run_id, at, MOST_RUNS) for name in indexes_of(view)),
        )
        await store.apply(Transition(None, lambda _: decision), cause=view.run_id)

    for first in range(0, count, AT_ONCE):
        await asyncio.gather(*(write(number) for number in range(first, min(first + AT_ONCE, count))))


async def _seconds(history: StoredHistory, filters: Filters) -> float:
    begun = time.perf_counter()
    page = await history.runs(filters, 0.0, None, PAGE)
    taken = time.perf_counter() - begun
    if len(page.runs) != PAGE:
        raise AssertionError(f"the list has {len(page.runs)} runs, not {PAGE}")
    return taken


async def listing(redis: Any, few: int, many: int, rounds: int) -> None:
    clock = PacedClock(Pace())
    clock.set(time.time())
    histories = []
    for count in (few, many):
        store = RedisStore(redis, f"runs-{count}", clock)
        await _fill(store, count)
        histories.append(StoredHistory(store, clock, BuiltInPolicies()))
    for name, filters in (
        ("all", Filters()),
        ("a filter that few runs meet", Filters(actor="rare")),
    ):
        taken: tuple[list[float], list[float]] = ([], [])
        for _ in range(rounds):
            for seconds, history in zip(taken, histories, strict=True):
                seconds.append(await _seconds(history, filters))
        short, long = map(statistics.median, taken)
        met = "met" if long / short <= MOST else "NOT MET"
        figures = f"{short * 1000:.2f} ms of {few:,}, {long * 1000:.2f} ms of {many:,}"
        print(f"{PAGE} runs, {name}: {figures}: ratio {long / short:.2f}  aim ≤ {MOST}: {met}", flush=True)


async def _main(few: int, many: int, rounds: int) -> None:
    with kafka_and_redis() as environment:
        async with Redis.from_url(environment["REDIS_URL"]) as redis:
            await listing(redis, few, many, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.listing", description=__doc__)
    parser.add_argument("--few", type=int, default=1_000)
    parser.add_argument("--many", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=200)
    given = parser.parse_args()
    asyncio.run(_main(given.few, given.many, given.rounds))


if __name__ == "__main__":
    main()
