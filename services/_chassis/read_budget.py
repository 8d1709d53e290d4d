"""One budget of reads for each account and region, which all services and replicas draw from, in Redis.

ECS throttles by account and region, and its limit is shared with everybody else in the account. Who reads most would
otherwise take it from those who must act. A read waits for its turn, or is shed where the wait would be too long.
What a rollback reads is counted and never waits, a call that changes something is not counted, and where Redis does
not answer, nobody waits: then botocore's own retries are what limits. Pages after the first and botocore's retries
are not counted.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
from botocore.exceptions import BotoCoreError

from services._chassis.lanes import WORK, lane
from services._chassis.readiness import Readiness
from services._chassis.scripts import script

BURST_SECONDS = 2.5
"""A full bucket has the reads of so many seconds: 50 of 20 a second, as the smallest of ECS's buckets for reads."""
RESERVED_SECONDS = 1.0
"""The reads of so many seconds are left to rollbacks."""
LONGEST_WAIT = 10.0
"""Seconds for which a read waits for its turn; one that would wait longer is shed."""
LONGEST_WAIT_OF_REQUESTS = 2.0
"""The same for a read that an HTTP request needs: however many there are, collection waits for no more of them."""
REDIS_SECONDS = 0.5
"""Real seconds for which the answer of Redis is waited for."""
REDIS_AGAIN_SECONDS = 5.0
"""Real seconds for which Redis is not asked after it has not answered."""
MOST_COUNTING = 64
"""How many reads of rollbacks are counted at a time; more are made without it."""
REPORTED_SECONDS = 60.0
"""Real seconds for which the process is degraded after a read was shed."""

_ECS = {
    "services": (
        "describe_services", "list_services",
        "describe_service_deployments", "list_service_deployments", "describe_service_revisions",
    ),
    "tasks": ("describe_tasks", "list_tasks"),
    "task-definitions": ("describe_task_definition", "list_task_definitions"),
}  # fmt: skip
BUCKETS: Mapping[tuple[str, str], str] = {
    **{("ecs", operation): bucket for bucket, operations in _ECS.items() for operation in operations},
    ("cloudtrail", "lookup_events"): "events",
}
"""API and operation, by boto3's names → the bucket that it draws from (ECS developer guide, "Request throttling for the
Amazon ECS API"). What is not listed has no budget."""
CEILINGS: Mapping[str, float] = {"events": 1.5}
"""Bucket → the reads a second that it has at most, whatever the budget is: AWS allows two LookupEvents a second
(CloudTrail user guide, "Quotas")."""

log = structlog.get_logger()


class BudgetSpent(BotoCoreError):
    """A read was not sent, since too many others wait for their turn. The text is a sentence without its full stop."""

    fmt = "{sentence}"


class ReadBudget:
    """The budget as one process draws from it."""

    def __init__(
        self,
        redis: Any,
        rate: float,
        readiness: Readiness | None = None,
        *,
        pace: float = 1.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """``rate``: reads a second of product time, for each bucket. ``pace``: product seconds in a real one."""
        self._rate = rate
        self._pace = pace
        self._readiness = readiness or Readiness()
        self._sleep = sleep
        self._now = now
        self._script = redis.register_script(script("take_read"))
        self._again_at = 0.0
        self._counting: set[asyncio.Future[bytes | None]] = set()

    async def take(self, account: str, region: str, service: str, operation: str, *, ahead: bool = False) -> None:
        """Return when the call may be sent. Raise ``BudgetSpent``. ``ahead``: it waits for nobody."""
        bucket = BUCKETS.get((service, operation))
        if bucket is None or self._now() < self._again_at:
            return
        key = f"{{aws-reads}}:{account}:{region}:{service}:{bucket}"
        rate = min(self._rate, CEILINGS.get(bucket, self._rate))
        if ahead:
            self._count(key, rate)
            return
        answer = await self._ask(key, rate)
        if answer == b"spent":
            sentence = (
                f"too many reads of {service.upper()} in {account}/{region} wait for their turn; "
                f"the budget is {rate:g} a second (AWS_READ_BUDGET)"
            )
            self._readiness.degrade(
                f"reads:{account}/{region}", f"{sentence[:1].upper()}{sentence[1:]}.", REPORTED_SECONDS
            )
            raise BudgetSpent(sentence=sentence)
        if answer is not None and (wait := int(answer)) > 0:
            await self._sleep(wait / 1e6)

    def _count(self, key: str, rate: float) -> None:
        """Count a read without waiting for Redis, which takes some milliseconds to write."""
        if len(self._counting) < MOST_COUNTING:
            counting = asyncio.ensure_future(self._run(key, rate, ahead=True))
            self._counting.add(counting)
            counting.add_done_callback(self._counting.discard)

    async def _ask(self, key: str, rate: float) -> bytes | None:
        """Return the script's answer; None where Redis does not give one in time."""
        asking = asyncio.ensure_future(self._run(key, rate, ahead=False))
        done, _ = await asyncio.wait({asking}, timeout=REDIS_SECONDS)
        if done:
            return asking.result()
        self._leave_redis()  # and do not cancel: that could lose a connection
        return None

    async def _run(self, key: str, rate: float, *, ahead: bool) -> bytes | None:
        """Run the script. ``rate``: reads a second of product time."""
        real = rate * self._pace
        cost = 1e6 / real
        burst = max(1.0, real * BURST_SECONDS)
        reserve = min(burst - 1.0, real * RESERVED_SECONDS)
        longest = LONGEST_WAIT if lane.get() == WORK else LONGEST_WAIT_OF_REQUESTS
        try:
            answer: bytes = await self._script(
                keys=[key], args=[cost, burst, reserve, longest * 1e6, "1" if ahead else "", LONGEST_WAIT * 1e6]
            )
        except Exception as error:  # noqa: BLE001  whatever is wrong with Redis, AWS can be asked
            log.warning("reads of AWS go on without their budget", error=type(error).__name__)
            self._leave_redis()
            return None
        return answer

    def _leave_redis(self) -> None:
        self._again_at = self._now() + REDIS_AGAIN_SECONDS
