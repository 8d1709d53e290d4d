"""How many bytes of Redis a run takes for a month, and a watched service: ``python -m benchmarks.memory``.

The seven services deploy on the sandbox under the virtual clock, and watch the service for four hours. What they keep
after two of them, and after all, is copied to a real Valkey, which says what each key takes. What expires within a day
is what the watching of a service takes at any time; the rest is kept for 31 days (``REMEMBER_SECONDS``).
"""

import asyncio
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from redis.asyncio import Redis

from sandbox.valkey import Valkey
from services._chassis.telemetry import configure_logs
from surefoot.rehearsal.rehearse import rehearse
from surefoot.rehearsal.show import read_scenario
from surefoot.rehearsal.stage import Stage
from surefoot.rehearsal.system import InProcessSystem

SCENARIO = Path(__file__).parents[1] / "sandbox/scenarios/files/healthy.yaml"
HALF = 2 * 3600.0
"""Product seconds: half of the time for which the service is watched."""
DAY = 86_400.0
KIND = re.compile(rb"\{([a-z]+)\}:([a-z-]+)")
"""The service of a key, and what it keeps there."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a Redis in memory holds at a moment; times are epoch seconds."""

    data: dict[bytes, Any]
    ends: dict[bytes, float]
    now: float

    def lasting(self, key: bytes) -> bool:
        """Return whether a key is kept for longer than a day, and then expires."""
        return self.ends.get(key, 0.0) > self.now + DAY


async def sizes(kept: Kept, url: str) -> tuple[Counter[str], Counter[str]]:
    """Return the bytes of each kind of key in a real Redis: those that last, and the others."""
    lasting: Counter[str] = Counter()
    others: Counter[str] = Counter()
    async with Redis.from_url(url) as redis:
        await redis.flushall()
        for key, value in kept.data.items():
            if isinstance(value, list) or not value or kept.ends.get(key, kept.now + 1) <= kept.now:
                continue  # a list is the outbox, which is empty once it is published
            if isinstance(value, bytes):
                await redis.set(key, value)
            elif all(isinstance(field, float) for field in value.values()):
                await redis.zadd(key, value)
            else:
                await redis.hset(key, mapping=value)
            if key in kept.ends:
                await redis.expire(key, int(DAY))
            service, what = (part.decode() for part in KIND.match(key).groups())  # type: ignore[union-attr]  # all have
            side = lasting if kept.lasting(key) else others
            side[f"{service} {what}"] += await redis.memory_usage(key, samples=0) or 0
    return lasting, others


def main() -> None:
    moments: list[Kept] = []

    async def look(stage: Stage, system: InProcessSystem) -> None:
        for _ in range(2):
            await stage.clock.sleep(HALF)
            data, ends = system.redis.copy()
            moments.append(Kept(data, ends, stage.clock.now()))

    configure_logs("critical", "benchmarks")
    rehearse(read_scenario(SCENARIO), look=look)
    with TemporaryDirectory(prefix="surefoot-bench-") as directory:
        valkey = Valkey(Path(directory))
        url = valkey.start()
        try:
            (run, watching), (later, _) = (asyncio.run(sizes(kept, url)) for kept in moments)
        finally:
            valkey.stop()
    grown = Counter({kind: round((later[kind] - run[kind]) * DAY / HALF) for kind in later | run})
    _show("a run, for 31 days", run)
    _show("a service that is watched, for 31 days from each day", grown)
    _show("a service that is watched, at any time", watching)


def _show(title: str, parts: Counter[str]) -> None:
    print(f"{title}: {sum(parts.values()) / 1000:.1f} kB")
    for kind, taken in parts.most_common():
        if taken:
            print(f"  {kind}: {taken / 1000:.1f} kB")


if __name__ == "__main__":
    main()
