"""Reports records of an audit that were given up, since more of them waited than there is room for."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from services._chassis.clock import moment
from services._chassis.readiness import Readiness
from services._chassis.redis_keys import COUNTERS
from services._chassis.store import RedisStore

NOT_SEALED, NOT_PUBLISHED, NOT_ARCHIVED = "audit-not-sealed", "audit-not-published", "audit-not-archived"
"""The counters of what was given up before it had a place in the chain, before Kafka had it, and before S3 had it."""
LAST = ":last"
"""Ends the name of the field that has the time of the last one, in epoch seconds of product time."""
REPORTED = timedelta(days=1)
"""Product time for which it is reported."""
LOOK_SECONDS = 15.0
"""Real seconds between two looks. Every replica looks, whichever of them has given something up."""
WHERE_ELSE = {
    NOT_SEALED: "before they had a place in its chain, and nothing else has them",
    NOT_PUBLISHED: "before Kafka had them; where there is an archive in S3, it has them",
    NOT_ARCHIVED: "before S3 had them; audit.v1 has them",
}


@dataclass(frozen=True, slots=True)
class GivenUp:
    """Looks at the counters of one service."""

    store: RedisStore
    readiness: Readiness

    async def run(self) -> None:
        """Look until cancelled. Redis's errors are raised; the caller then runs it again."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Report what was given up within the last day."""
        names = tuple(WHERE_ELSE)
        fields = (*names, *(f"{name}{LAST}" for name in names))
        kept: list[bytes | None] = await self.store.redis.hmget(self.store.key(COUNTERS), fields)
        now = moment(self.store.clock.now())
        for name, number, last in zip(names, kept, kept[len(names) :], strict=False):
            fault = ""
            with suppress(ValueError, OverflowError, OSError):  # what is no number or no time was not written here
                at = datetime.fromtimestamp(float(last or 0), UTC)
                if now - at < REPORTED:
                    what = f"{int(number or 0):,} records of {self.store.service}'s audit were given up so far"
                    fault = f"{what}, the last ones on {at:%Y-%m-%d at %H:%M} UTC, {WHERE_ELSE[name]}"
            self.readiness.report(f"{name}:{self.store.service}", fault)
