"""The store in Redis: one script changes state, inbox, outbox, timers and jobs together, or not at all.

A caller may assume: after ``APPLIED`` all of a transition's consequences will happen, at least once, whatever dies;
with the same cause they happen once. It may not assume that ``decide`` is called once, nor that an event
is on the bus when ``apply`` returns.
"""

import asyncio
from dataclasses import dataclass, replace
from enum import StrEnum
from math import inf, isnan
from typing import Any, NamedTuple, Protocol, Self, TypeVar

import structlog
from redis.exceptions import RedisError

from contracts.state import DamagedState, State
from services._chassis.apply_call import Lease, Write, keys_and_arguments
from services._chassis.audit.acts import origin
from services._chassis.clock import Clock
from services._chassis.compact import expand, expand_answer, fields_of_json
from services._chassis.course_log import log_event
from services._chassis.damage import Replacement, no_replacement, set_aside_key
from services._chassis.redis_keys import ANSWER, ANSWER_BEFORE, REMEMBER_SECONDS, key_of
from services._chassis.scripts import refused_when_full, script
from services._chassis.transition import Busy, Decision, Timer, Transition

AGAIN_SECONDS = 5
"""Real seconds for which an answer is not given once more."""
CONFLICTS = 20
"""How often a transition is decided anew before ``Busy`` is raised."""


log = structlog.get_logger()
S = TypeVar("S", bound=State)


class AnotherRedis(RedisError):
    """Redis was restarted, perhaps from an older copy: nothing was written."""


class Applied(StrEnum):
    APPLIED = "applied"
    IGNORED = "ignored"
    """Nothing was done, and the cause is not recorded: a redelivery is decided anew (``Decision.ignore_once``)."""
    SEEN = "seen"
    """The cause was handled before; nothing changed."""
    FENCED = "fenced"
    """The job belongs to another executor now, or has ended; nothing changed."""


class Written(NamedTuple):
    """The result of a transition, and its last decision, which was written only if the result is ``APPLIED``."""

    applied: Applied
    decision: Decision


@dataclass(frozen=True, slots=True)
class Indexed:
    """An entry of an index."""

    member: str
    score: float

    @property
    def cursor(self) -> str:
        """Return the cursor with which ``Store.range`` goes on behind this entry."""
        return f"{self.score!r}:{self.member}"

    @classmethod
    def at(cls, cursor: str) -> Self:
        """Read a cursor. Raise ``ValueError`` for a text that is no cursor."""
        score, separator, member = cursor.partition(":")
        if not separator or isnan(float(score)):
            raise ValueError("a cursor is what an earlier page gave")
        return cls(member, float(score))


class Store(Protocol):
    """The store as handlers, timers and APIs use it."""

    async def load(self, key: str) -> bytes | None:
        """Return the bytes under ``key``; None if there are none."""
        ...

    async def read(self, key: str, kind: type[S], **initial: Any) -> S:
        """Return the state under ``key``; where there is none, one with ``initial`` fields. Raise ``NewerState``.

        What no version can read is set aside, and its replacement returned.
        """
        ...

    async def record(self, key: str) -> bytes | None:
        """Return what a decision recorded under ``key``; None if there is nothing."""
        ...

    async def apply(
        self, transition: Transition, *, cause: str, cause_before: str = "", intake: bool = False
    ) -> Written:
        """Decide and write, once for each cause; ``cause_before`` is the same cause as an earlier version had it.

        ``intake``: it begins something new, and is refused while Redis is full (``OutOfMemoryError``). Raise ``Busy``
        after too many conflicts.
        """
        ...


class IndexedStore(Store, Protocol):
    """A store that can also read the indexes that decisions write."""

    async def range(
        self, index: str, *, lowest: float = -inf, highest: float = inf, after: str | None = None, limit: int = 50
    ) -> list[Indexed]:
        """Return at most ``limit`` lines of an index with a score from ``lowest`` to ``highest``, the highest first.

        ``after`` is the cursor of the last entry of the previous page; entries that come in meanwhile are on no later
        page. Entries with the same score are ordered by their members. Raise ``ValueError`` for a text that is no
        cursor.
        """
        ...


class RedisStore:
    """The store of one service."""

    def __init__(self, redis: Any, service: str, clock: Clock) -> None:
        self.redis = redis  # redis-py types its answers as "sync or async"; Any says as much
        self.service = service
        self.clock = clock
        self.new_jobs = asyncio.Event()
        """Set when this process may have inserted a job, so that its executor need not wait for its next poll."""
        self.redis_run_id = ""
        """Redis's ``run_id`` at the last look. ``apply`` refuses to write into a Redis with another one; empty means
        not known yet."""
        self.first_jobs: frozenset[str] = frozenset()
        """The kinds of jobs that wait for none of the others (``FIRST_JOBS``)."""
        self.replace_damaged: Replacement = no_replacement
        """Called when a state is set aside that no version can read."""
        self._script = redis.register_script(script("apply"))
        self._intake = redis.register_script(refused_when_full(script("apply")))
        self._although_full = redis.register_script(script("although_full"))

    def key(self, *parts: str) -> str:
        return key_of(self.service, *parts)

    async def load(self, key: str) -> bytes | None:
        return (await self._state(key))[1]

    async def read(self, key: str, kind: type[S], **initial: Any) -> S:
        for _ in range(CONFLICTS):
            revision, data = await self._state(key)
            try:
                return kind.from_bytes(data, **initial)
            except DamagedState as error:
                await self._set_aside(key, revision, error)
        raise Busy(f"{key} is being changed by too many at once")

    async def record(self, key: str) -> bytes | None:
        kept: bytes | None = await self.redis.get(self.key("record", key))
        return None if kept is None else expand(kept)

    async def apply(
        self,
        transition: Transition,
        *,
        cause: str = "",
        cause_before: str = "",
        cause_id: str | None = None,
        lease: Lease | None = None,
        timer: Timer | None = None,
        redis_run_id: str | None = None,
        intake: bool = False,
        remember: int = REMEMBER_SECONDS,
    ) -> Written:
        """Decide and write.

        ``cause`` marks the inbox for ``remember`` real seconds, and ``cause_before`` is the same cause as version 0.1.0
        marked it: what either marks was handled before. ``cause_id`` goes out with the events. An ``Answer`` is kept
        for its command (``answer_again``). ``lease`` ends its job and ``timer`` removes its timer in the same step.
        Raise ``AnotherRedis`` where Redis has not ``redis_run_id`` any more (by default, the one that the store knows
        now): the state that was decided on was read from that Redis. ``intake``: it begins something new, and is
        refused with ``OutOfMemoryError`` while Redis is full, so that what is under way can end.
        """
        redis_run_id = self.redis_run_id if redis_run_id is None else redis_run_id
        for _ in range(CONFLICTS):
            revision, data = await self._state(transition.key)
            decision = await self._decide(transition, revision, data)
            if decision is None:
                continue
            if decision.ignore_once:
                return Written(Applied.IGNORED, decision)
            marks = ("", "") if decision.unmarked else (cause, cause_before)
            write = Write(
                transition.key, decision, revision, redis_run_id, *marks, remember, cause_id or cause, lease, timer
            )
            applied = await self._write(write, intake=intake)
            if applied is not None:
                return Written(applied, decision)
        raise Busy(f"{transition.key} is being changed by too many at once")

    async def _decide(self, transition: Transition, revision: str, data: bytes | None) -> Decision | None:
        """Return what is decided on a state; None where that cannot be read: it is set aside then."""
        try:
            return transition.decide(data)
        except DamagedState as error:
            if transition.key is None or error.data is not data:
                raise
            await self._set_aside(transition.key, revision, error)
            return None

    async def _write(self, write: Write, *, intake: bool = False) -> Applied | None:
        """Run the script; None if the state was changed after it was read. Raise ``AnotherRedis``."""
        keys, arguments = keys_and_arguments(write, self.service, self.clock.now(), self.first_jobs)
        result = (await (self._intake if intake else self._script)(keys=keys, args=arguments)).decode()
        if result == "another run":
            raise AnotherRedis("Redis was started anew; what it may have lost is to be read first")
        if result == "conflict":
            return None
        if write.decision.jobs:
            self.new_jobs.set()
        applied = Applied(result)
        if applied is Applied.APPLIED:
            if (let_in := origin.get()) is not None:
                let_in.pending = None  # it is on record
            for emission in write.decision.emit:
                log_event(emission.event)
        return applied

    async def _set_aside(self, key: str, revision: str, error: DamagedState) -> None:
        """Keep the bytes of a state as a record, and write what replaces it, unless it was changed meanwhile."""
        aside = set_aside_key(key, error.data)
        log.error("a state cannot be read; it is set aside", service=self.service, record=aside, why=str(error))
        decision = await self.replace_damaged(key, error)
        decision = replace(decision, state=decision.state or b"", records={**decision.records, aside: error.data})
        await self._write(Write(key, decision, revision, self.redis_run_id, cause_id=aside))

    async def range(
        self, index: str, *, lowest: float = -inf, highest: float = inf, after: str | None = None, limit: int = 50
    ) -> list[Indexed]:
        last = Indexed.at(after) if after is not None else None
        if last is not None:
            highest = min(highest, last.score)
        found: list[Indexed] = []
        start = 0
        while len(found) < limit:
            lines = await self.redis.zrevrangebyscore(
                self.key("index", index), highest, lowest, start=start, num=limit, withscores=True
            )
            page = [Indexed(member.decode(), score) for member, score in lines]
            # the first lines may have the same score as the last line of the previous page, and have been on that page
            found += [line for line in page if last is None or (line.score, line.member) < (last.score, last.member)]
            start += len(page)
            if len(page) < limit:
                break
        return found[:limit]

    async def answer_again(self, command_id: str) -> None:
        """Publish the stored answer of a command once more; nothing if it has none yet.

        Nor anything within ``AGAIN_SECONDS`` of the last time: whoever may write to Kafka can send a recorded command
        as often as Kafka takes it.
        """
        asked = self.key("answered-again", command_id)
        if not await self.write_although_full("SET", asked, "1", "NX", "EX", AGAIN_SECONDS):
            return
        if fields := await self._answer(command_id):
            flat = (part for pair in fields.items() for part in pair)
            await self.write_although_full("XADD", self.key("outbox"), "*", *flat)

    async def _answer(self, command_id: str) -> dict[bytes, bytes]:
        """Return the fields of the answer that is kept for a command; none where none is kept."""
        if kept := await self.redis.get(self.key(ANSWER, command_id)):
            return expand_answer(kept)
        if kept := await self.redis.get(self.key(ANSWER_BEFORE, command_id)):
            return fields_of_json(expand(kept))
        # version 0.1.0 kept a hash of the fields
        fields: dict[bytes, bytes] = await self.redis.hgetall(self.key("answer", command_id))
        return fields

    async def write_although_full(self, command: str, key: str, *arguments: str | bytes | float) -> Any:
        """Execute a command that writes; a full Redis executes no command that could make it larger."""
        return await self._although_full(keys=[key], args=[command, *arguments])

    async def _state(self, key: str | None) -> tuple[str, bytes | None]:
        if key is None:
            return "", None
        found: list[bytes | None] = await self.redis.hmget(self.key("state", key), ["revision", "data"])
        return (found[0] or b"0").decode(), found[1] or None  # an empty one was set aside
