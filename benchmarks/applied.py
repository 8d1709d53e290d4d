"""``RedisStore.apply`` against one bare script with the same writes."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.rounds import Compared, Round, by_turns
from benchmarks.writes import BARE_SCRIPT, TARGETS, BareWrites, transition
from services._chassis.clock import Pace, PacedClock
from services._chassis.store import RedisStore

Write = Callable[[int], Awaitable[object]]


def _round(write: Write, number: int, at_once: int, outbox: str, redis: Any) -> Round:
    count = itertools.count()

    async def writer(share: int) -> None:
        for _ in range(share):
            await write(next(count))

    async def one_round() -> float:
        begun = time.perf_counter()
        await asyncio.gather(*(writer(number // at_once) for _ in range(at_once)))
        rate = number / (time.perf_counter() - begun)
        await redis.delete(outbox)
        return rate

    return one_round


async def applied(redis: Any, *, writes: int, at_once: int, rounds: int) -> Compared:
    """Compare writes a second, so many ``at_once``, each on a state of its own."""
    store = RedisStore(redis, f"ours-{at_once}", PacedClock(Pace()))
    bare, script = BareWrites(f"bare-{at_once}"), redis.register_script(BARE_SCRIPT)

    async def ours(number: int) -> None:
        cause = f"cause-{number}"
        await store.apply(transition(TARGETS[number % len(TARGETS)], cause), cause=cause)

    async def bare_write(number: int) -> None:
        keys = bare.keys(str(TARGETS[number % len(TARGETS)]), f"cause-{number}")
        await script(keys=keys, args=bare.arguments)

    how = "one after another" if at_once == 1 else f"{at_once} at once"
    return await by_turns(
        f"apply, {how}",
        _round(ours, writes, at_once, store.key("outbox"), redis),
        _round(bare_write, writes, at_once, f"{{bare-{at_once}}}:outbox", redis),
        rounds,
    )
