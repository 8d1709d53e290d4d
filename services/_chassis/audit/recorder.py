"""Records what changes no state: requests that were refused, and those that were allowed and changed nothing.

Such entries wait in memory, of which they take a bounded part, until Redis has taken them; nobody waits for that. Where
more come than have room, or than a minute allows, their number is recorded in their place, by reason. They are written
in numbered batches, and Redis knows the number of the last one: where its answer was lost, the same batch is sent again
and recorded once.
"""

import asyncio
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from redis.exceptions import RedisError

from contracts.audit import Act, AuditEntry, Who
from contracts.base import Target
from contracts.prose import quote
from services._chassis.access.decision_log import MINUTE, MOST_REFUSALS
from services._chassis.audit.acts import Audited, Origin
from services._chassis.audit.entries import entry_of
from services._chassis.readiness import Readiness
from services._chassis.store import Store
from services._chassis.transition import Decision, Transition

MOST_WAITING = 1_000
"""Entries that wait in memory while Redis is away or full."""
MOST_REASONS = 20
FLUSH_SECONDS = 1.0
"""Real seconds between two writes to Redis."""
BATCH = 64
LAST_SECONDS = 2.0
"""Real seconds for the last write, when the process ends: a Redis that hangs must not hold that up."""
LONGEST_REASON = 200
OTHERS = "other reasons"

log = structlog.get_logger()


@dataclass
class _Minute:
    """The refusals of one minute that have no record of their own."""

    begun_at: float
    recorded: int = 0
    by_reason: Counter[str] = field(default_factory=Counter)
    first: str = ""
    last: str = ""

    def count(self, why: str, where: str) -> None:
        self.by_reason[why if why in self.by_reason or len(self.by_reason) < MOST_REASONS else OTHERS] += 1
        self.first, self.last = self.first or where, where

    @property
    def details(self) -> tuple[str, ...]:
        # quoted here, once each: that takes longer than all else that is done about a message of a flood
        found = self.by_reason.most_common()
        counts = tuple(f"{number} times: {quote(why, LONGEST_REASON)}" for why, number in found)
        return (*counts, f"the first from {self.first}, the last from {self.last}")


class Recorder:
    """The entries of one process that wait for Redis. It can be used before there is a store."""

    def __init__(self, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._elapsed = elapsed
        self._now: Callable[[], datetime] | None = None
        self._store: Store | None = None
        self._readiness = Readiness()
        self._waiting: deque[AuditEntry] = deque()
        self._batch: tuple[AuditEntry, ...] = ()
        """What is being written; it stays the same until Redis has confirmed it."""
        self._written = 0
        """How many batches Redis has confirmed."""
        self._key = f"audit-recorder:{uuid.uuid4().hex}"
        """The state in which Redis has the number of this process's last batch."""
        self._refused = {act: _Minute(elapsed()) for act in (Act.REQUESTS_REFUSED, Act.MESSAGES_REFUSED)}
        self._lost = 0

    def begin(self, store: Store, now: Callable[[], datetime], readiness: Readiness) -> None:
        """Write to ``store`` from now on. Until then nothing is recorded: nobody is let in before."""
        self._store, self._now, self._readiness = store, now, readiness

    def note(self, entry: AuditEntry) -> None:
        """Keep an entry for Redis; where too many wait, their number alone."""
        if self._unwritten >= MOST_WAITING:
            self._lost += 1
        else:
            self._waiting.append(entry)

    def act(self, audited: Audited, asked: Origin) -> None:
        """Record an act that has changed no state."""
        if self._now is not None:
            self.note(entry_of(audited, "", asked, "", self._now()))

    def refused(self, who: Who, what: str, why: str, where: str, target: Target | None = None) -> None:
        """Record a refused request, of a flood no more than its size and reasons."""
        if self._now is None:
            return
        minute = self._refused[Act.REQUESTS_REFUSED]
        if minute.recorded >= MOST_REFUSALS:
            minute.count(why, where)
            return
        minute.recorded += 1
        self.note(
            AuditEntry(
                id=str(uuid.uuid4()),
                time=self._now(),
                act=Act.REQUEST_REFUSED,
                outcome="refused",
                who=who,
                target=target,
                why=why,
                where=where,
                details=(what,),
            )
        )

    def refused_message(self, why: str, where: str) -> None:
        """Count a message that was not believed, and of which there is no dead letter."""
        self._refused[Act.MESSAGES_REFUSED].count(why, where)

    async def run(self) -> None:
        """Write until cancelled, whatever fails."""
        while True:
            await self.flush()
            await asyncio.sleep(FLUSH_SECONDS)

    async def finish(self, longest: float = LAST_SECONDS) -> None:
        """Write what is left once nobody is served any more, within so many real seconds; the log says what remains."""
        with suppress(TimeoutError):
            async with asyncio.timeout(longest):
                await self.flush(ended=True)
        if lost := self._unwritten:
            log.warning("requests that were refused are not on record, since Redis did not take it", records=lost)

    async def flush(self, *, ended: bool = False) -> None:
        """Write what waits. What Redis does not take now is written later. ``ended``: count no further."""
        for act in self._refused:
            self._sum_up(act, ended=ended)
        try:
            while self._unwritten and self._store is not None:
                await self._write(self._store)
        except (RedisError, OSError) as error:
            log.warning("refusals wait to be recorded", waiting=self._unwritten, why=type(error).__name__)
            counted = self._lost + sum(minute.by_reason.total() for minute in self._refused.values())
            counts = f"{self._unwritten} wait, {counted} are counted"
            self._readiness.degrade("audit-requests", f"Redis does not take the audit of requests: {counts}.")
        else:
            self._readiness.clear("audit-requests")

    @property
    def _unwritten(self) -> int:
        return len(self._batch) + len(self._waiting)

    async def _write(self, store: Store) -> None:
        """Write the batch, once however often it is sent."""
        if not self._batch:
            self._batch = tuple(self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting))))
        batch, number = self._batch, str(self._written + 1).encode()

        def decide(last: bytes | None) -> Decision:
            if last == number:
                return Decision(ignore_once=True)
            return Decision(state=number, expires=True, audit=batch)

        await store.apply(Transition(self._key, decide), cause="", intake=True)
        if self._batch is batch:
            self._batch, self._written = (), self._written + 1

    def _sum_up(self, act: Act, *, ended: bool) -> None:
        """Record what had no record of its own, once a minute, where there is room again."""
        minute = self._refused[act]
        if (not ended and self._elapsed() - minute.begun_at < MINUTE) or self._now is None:
            return
        if self._unwritten >= MOST_WAITING:
            return
        details = minute.details if minute.by_reason else ()
        lost, self._lost = (self._lost, 0) if act is Act.REQUESTS_REFUSED else (0, self._lost)
        if lost:
            details += (f"{lost} records had no room while Redis did not take them",)
        self._refused[act] = _Minute(self._elapsed())
        if details:
            number = minute.by_reason.total() + lost
            self.note(
                AuditEntry(
                    id=str(uuid.uuid4()),
                    time=self._now(),
                    act=act,
                    outcome="refused",
                    why=f"{number} more in {self._elapsed() - minute.begun_at:.0f} s than have records of their own",
                    details=details,
                )
            )
