"""Compares this machine's clock with AWS's, by which AWS checks signatures, and with that of Redis.

Deadlines, timers and age limits go by the clock of Redis alone, which all replicas share (``clock.py``).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from services._chassis.clock import PacedClock
from services._chassis.readiness import Readiness

FOLLOW_SECONDS = 30.0
"""Real seconds between two looks at the time of Redis."""
REPORTED_SECONDS = 30.0
"""Seconds of offset that are reported: nothing fails yet, but times of the two differ."""
WRONG_SECONDS = 240.0
"""Seconds of offset that count as a fault: from five minutes on AWS refuses every signature (IAM user guide, "Elements
of an AWS API request signature")."""
PROMPT_SECONDS = 5.0
"""The longest that an answer of Redis may take, in real seconds, to be used: a later one, also where the process was
paused, shows too little of the present time."""

AWS_REFUSES = "AWS refuses its signatures: set the clock"
TWO_TIMES = (
    "deadlines and the metrics of AWS, which go by the clock of Redis, and signatures, which go by this machine's, "
    "have different times: set the one that is wrong"
)


def offset_of(answer: Mapping[str, Any], now: Callable[[], float] = time.time) -> float | None:
    """Return by how many seconds this machine is ahead of AWS, as the ``Date`` of an answer or error says.

    AWS's time has whole seconds and is as old as the answer, on its way here. None where the answer has no date.
    """
    date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    try:
        return None if not date else now() - parsedate_to_datetime(str(date)).timestamp()
    except ValueError:
        return None


def clock_fault(offset: float | None, whose: str = "AWS's", consequence: str = AWS_REFUSES) -> str:
    """Return what is wrong with the clock, as a sentence without its full stop; nothing where it is right.

    ``offset``: by how many seconds it is ahead of the clock ``whose``.
    """
    if offset is None or abs(offset) <= REPORTED_SECONDS:
        return ""
    fault = f"this machine's clock is {abs(offset):.0f} seconds {'ahead of' if offset > 0 else 'behind'} {whose}"
    return f"{fault}, so that {consequence}" if abs(offset) > WRONG_SECONDS else fault


@dataclass(frozen=True, slots=True)
class RedisClock:
    """Lets product time follow Redis, and reports how far this machine's clock is from it."""

    redis: Any
    clock: PacedClock
    readiness: Readiness
    now: Callable[[], float] = time.time
    """This machine's real time, in epoch seconds."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def run(self) -> None:
        """Follow the time of Redis, every ``FOLLOW_SECONDS``. Raise Redis's errors."""
        while True:
            await self.look()
            await self.sleep(FOLLOW_SECONDS)

    async def look(self) -> None:
        """Read the time of Redis once, set the clock by it, and report the offset."""
        begun, asked = self.now(), time.monotonic()
        seconds, micros = await self.redis.time()
        took = time.monotonic() - asked
        if took > PROMPT_SECONDS:
            return
        real = seconds + micros / 1e6
        self.clock.set(real)
        self.readiness.report("clock-redis", clock_fault(begun + took / 2 - real, "that of Redis", TWO_TIMES))
