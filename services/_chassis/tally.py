"""Counts messages of which nothing is kept, in memory, and writes the counts to Redis once a second.

Whoever may write to a topic can send more of them than Redis takes writes; what is genuine behind them must not wait.
"""

import asyncio
from collections import Counter

from services._chassis.readiness import Readiness
from services._chassis.redis_keys import COUNTERS
from services._chassis.store import RedisStore

FLUSH_SECONDS = 1.0
"""Real seconds between two writes. A process that is killed loses the counts of so long."""
UNTRUSTED_SECONDS = 3600.0
"""Real seconds for which a message that was not believed is reported as degraded."""


class Tally:
    """The counts of one service's process that Redis does not have yet."""

    def __init__(self, store: RedisStore, readiness: Readiness) -> None:
        self._store = store
        self._readiness = readiness
        self._counts: Counter[str] = Counter()
        self._untrusted: dict[str, str] = {}
        """Topic → why the last message on it was not believed, of those that were counted since the last write."""

    def skipped(self, topic: str) -> None:
        """Count an event of a type that is unknown here."""
        self._counts[f"skipped:{topic}"] += 1

    def too_old(self, topic: str) -> None:
        """Count a message that is older than what is handled, and history."""
        self._counts[f"too-old:{topic}"] += 1

    def repeated(self, topic: str) -> None:
        """Count a message that came again more often than it is kept."""
        self._counts[f"repeated:{topic}"] += 1

    def untrusted(self, topic: str, why: str) -> None:
        """Count a message that is not believed."""
        self._counts[f"untrusted:{topic}"] += 1
        self._untrusted[topic] = why

    async def run(self) -> None:
        """Write until cancelled, and once more then. Raise Redis's errors; what was not written stays counted."""
        try:
            while True:
                await self.flush()
                await asyncio.sleep(FLUSH_SECONDS)
        finally:
            await self.flush()

    async def flush(self) -> None:
        """Write what was counted, and report what was not believed."""
        for name, number in [*self._counts.items()]:
            counters = self._store.key(COUNTERS)
            total = await self._store.write_although_full("HINCRBY", counters, name, number)
            self._counts[name] -= number
            if not self._counts[name]:
                del self._counts[name]
            topic = name.partition(":")[2]
            if name.startswith("untrusted:") and (why := self._untrusted.pop(topic, "")):
                self._report(topic, total, why)

    def _report(self, topic: str, total: int, why: str) -> None:
        service = self._store.service
        sentence = f"{service}: {total} messages on {topic} were not believed, the last since {why}."
        self._readiness.degrade(f"untrusted:{service}:{topic}", sentence, UNTRUSTED_SECONDS)
