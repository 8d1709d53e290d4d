"""Reports hours before it happens that Redis will be full: a full one begins nothing new."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from redis.exceptions import RedisError

from services._chassis.readiness import Readiness

LOOK_SECONDS = 60.0
"""Real seconds between two looks."""
REMEMBERED = 6 * 60
"""Looks from which the growth is taken: six hours."""
LEAST = 30
"""Looks without which nothing is known of the growth: a run takes some of it back when it ends."""
SOON_HOURS = 24.0
"""What is full sooner than so is reported."""
HIGH = 0.8
"""The share from which on it is reported however it grows."""
MORE = "Give it more memory (maxmemory), or let less be kept: docs/operations.md says what takes how much"


@dataclass(frozen=True, slots=True)
class Look:
    """What Redis says of its memory: bytes that are used, and that it may use at most (0: no limit)."""

    at: float
    """Real seconds."""
    used: int
    most: int


def fault_of(looks: Sequence[Look]) -> str:
    """Return what is wrong with the memory, as a sentence without its full stop; empty where there is enough."""
    if not looks or not looks[-1].most:
        return ""
    first, last = looks[0], looks[-1]
    share = last.used / last.most
    hours = _hours_left(first, last) if len(looks) >= LEAST else None
    when = f", and at the pace of the last hours it is full in {hours:.0f} hours" if hours is not None else ""
    if share < HIGH and (hours is None or hours > SOON_HOURS):
        return ""
    used = f"{last.used / 2**20:.0f} of {last.most / 2**20:.0f} MiB"
    return f"Redis has used {share:.0%} of its memory ({used}){when}. {MORE}"


def _hours_left(first: Look, last: Look) -> float | None:
    """Return how many hours are left at the pace from the first look to the last; None where it does not grow."""
    grown, hours = last.used - first.used, (last.at - first.at) / 3600
    return (last.most - last.used) / grown * hours if grown > 0 and hours > 0 else None


@dataclass
class RedisMemory:
    """Looks at the memory of Redis. Where Redis does not say, nothing is reported."""

    redis: Any
    readiness: Readiness
    now: Callable[[], float] = time.monotonic
    looks: deque[Look] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    async def run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        try:
            about = await self.redis.info("memory")
            self.looks.append(Look(self.now(), int(about["used_memory"]), int(about.get("maxmemory", 0))))
        except (RedisError, OSError, KeyError):
            return  # that Redis is away is reported elsewhere
        self.readiness.report("redis memory", fault_of(self.looks))
