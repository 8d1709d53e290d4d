"""API keys in Redis, where all services and replicas see the same ones, and how a process looks them up there.

Wrong keys cost no call: ids are known from a copy of all records, which is read again at most once a second. A right
key costs one call, so that a revocation holds from the next request on, everywhere.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

import structlog
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as NotAnswered

from contracts.audit import AuditEntry
from services._chassis.access.api_keys import ApiKey, KeyRecord
from services._chassis.scripts import script

KEYS = "{access}:keys"
"""A hash: a key's id → its record, without the key."""
USED = "{access}:used"
"""A hash: a key's id → when it was used last, in epoch seconds."""
NOTED = "{access}:noted:"
"""A key's id follows it: there for a minute after a use was noted."""
CHANGES = "{access}:audit"
"""A stream: what the audit is to record of changes (``audit/keys.py``)."""
USE_NOTED_SECONDS = 60
COPY_SECONDS = 1.0
"""Real seconds for which the copy of all records is not read again."""
ANSWER_SECONDS = 2.0
"""Real seconds for which Redis may take to answer; its own limits are for work that may wait."""

T = TypeVar("T")

log = structlog.get_logger()


class Kept(NamedTuple):
    """What Redis has of keys."""

    records: dict[str, KeyRecord]
    """Each record stands under the id of its key."""
    any: bool
    """Whether there is any record, one that cannot be read included."""


class KeyStore:
    """The keys in Redis."""

    def __init__(self, redis: Any) -> None:
        self._redis = redis

    async def all(self) -> dict[str, KeyRecord]:
        """Return the records by id, without those that cannot be read."""
        return (await self.read()).records

    async def read(self) -> Kept:
        found = await self._redis.hgetall(KEYS)
        records = {record.id: record for kept in found.values() if (record := KeyRecord.parse(kept)) is not None}
        return Kept(records, bool(found))

    async def find(self, id_: str) -> KeyRecord | None:
        return KeyRecord.parse(await self._redis.hget(KEYS, id_))

    async def keep(self, record: KeyRecord, entry: AuditEntry) -> None:
        """Write a record, and ``entry`` for the audit, in one step."""
        await self._change(record.id, record.model_dump_json(exclude_none=True), entry)

    async def forget(self, id_: str, entry: AuditEntry) -> bool:
        """Remove a record. Return False, and leave it, where no key would be left to show that keys are in use."""
        return await self._change(id_, "", entry)

    async def _change(self, id_: str, record: str, entry: AuditEntry) -> bool:
        change = self._redis.register_script(script("keep_key"))
        return bool(await change(keys=[KEYS, USED, CHANGES], args=[id_, record, entry.model_dump_json()]))

    async def uses(self) -> dict[str, datetime]:
        """Return when each key was used last; a key that never was is not there."""
        found = await self._redis.hgetall(USED)
        return {id_.decode(): datetime.fromtimestamp(int(at), UTC) for id_, at in found.items()}

    async def note_use(self, id_: str, now: datetime) -> None:
        """Note the use, unless all processes together have noted one within the last minute."""
        if await self._redis.set(NOTED + id_, "1", nx=True, ex=USE_NOTED_SECONDS):
            await self._redis.hset(USED, id_, str(int(now.timestamp())))


class KeyRing:
    """Looks keys up for one process. Its methods raise ``RedisError`` where Redis does not answer."""

    def __init__(
        self,
        store: KeyStore | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        """Without a store there are no keys."""
        self._store = store
        self._now = now
        self._elapsed = elapsed
        self._copy: Kept | None = None if store else Kept({}, any=False)
        self._failed: RedisError | None = None
        self._copied_at = -COPY_SECONDS
        self._noted: dict[str, float] = {}
        self._copying = asyncio.Lock()

    async def has_keys(self) -> bool:
        """Return whether there is any key: one that does not hold any more, or that cannot be read, shows that keys are
        in use as well.
        """
        try:
            return (await self._kept()).any
        except RedisError:
            if self._copy is None:
                raise
            return self._copy.any  # that there are any does not change back by itself

    async def find(self, key: ApiKey) -> KeyRecord | None:
        """Return the record of a key if it holds, or its last state if it did once; None for a wrong key."""
        known = (await self._kept()).records.get(key.id)
        if known is None or not known.is_of(key) or self._store is None:
            return None
        current = await _in_time(self._store.find(key.id))
        if current is None or not current.is_of(key):
            return None
        if not current.why_not(self._now()):
            await self._note_use(self._store, key.id)
        return current

    def why_not(self, record: KeyRecord) -> str:
        return record.why_not(self._now())

    async def _kept(self) -> Kept:
        async with self._copying:
            if self._store is not None and self._elapsed() - self._copied_at >= COPY_SECONDS:
                try:
                    self._copy, self._failed = await _in_time(self._store.read()), None
                except RedisError as error:
                    self._failed = error
                finally:
                    self._copied_at = self._elapsed()  # who waited meanwhile shares what came of it
        if self._failed is not None:
            raise self._failed
        if self._copy is None:
            raise NotAnswered("the keys have not been read yet")
        return self._copy

    async def _note_use(self, store: KeyStore, id_: str) -> None:
        if self._elapsed() - self._noted.get(id_, -USE_NOTED_SECONDS) < USE_NOTED_SECONDS:
            return
        self._noted[id_] = self._elapsed()
        try:
            await _in_time(store.note_use(id_, self._now()))
        except RedisError as error:  # it is full, for instance: what the key is used for matters more
            log.warning("the use of a key could not be noted", key=id_, why=type(error).__name__)


async def _in_time(answer: Awaitable[T]) -> T:
    """Return the answer of Redis. Raise ``RedisError`` where it takes too long."""
    try:
        return await asyncio.wait_for(answer, ANSWER_SECONDS)
    except TimeoutError:
        raise NotAnswered(f"no answer within {ANSWER_SECONDS:g} s") from None
