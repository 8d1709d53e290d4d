"""Gives one replica at a time the turn to write a service's records to S3, and settles which the next object has.

A turn ends by itself, since whoever has it may die; and S3 may be so slow that it ends in the middle of a write. Which
records an object has is therefore settled before it is written, by who has the turn at that moment: a successor writes
the same records under the same name, of which S3 keeps one, and no record lies in two objects.
"""

import uuid
from collections.abc import Iterable

from services._chassis.audit.sealer import UNARCHIVED
from services._chassis.store import RedisStore

TURN, SETTLED = "audit-archiving", "audit-archiving-until"
TURN_MS = 60_000
"""Real milliseconds for which other replicas leave the writing to one; it begins anew with each object."""

_SETTLE = """#!lua flags=allow-oom
if redis.call("GET", KEYS[1]) ~= ARGV[1] then return 0 end
redis.call("SET", KEYS[1], ARGV[1], "PX", ARGV[2])
redis.call("SET", KEYS[2], ARGV[3])
return 1
"""
_WRITTEN = """#!lua flags=allow-oom
for i = 2, #ARGV do redis.call("XDEL", KEYS[2], ARGV[i]) end
if redis.call("GET", KEYS[1]) == ARGV[1] then redis.call("DEL", KEYS[1]) end
"""
_END = """#!lua flags=allow-oom
if redis.call("GET", KEYS[1]) == ARGV[1] then redis.call("DEL", KEYS[1]) end
"""


class Turn:
    """One replica's turn to write."""

    def __init__(self, store: RedisStore) -> None:
        self._store = store
        self._turn, self._until, self._waiting = (store.key(name) for name in (TURN, SETTLED, UNARCHIVED))
        self._settle = store.redis.register_script(_SETTLE)
        self._written = store.redis.register_script(_WRITTEN)
        self._end = store.redis.register_script(_END)
        self._token = uuid.uuid4().hex

    async def begin(self) -> bool:
        """Return whether it begins: no other replica has the turn."""
        return bool(await self._store.write_although_full("SET", self._turn, self._token, "NX", "PX", TURN_MS))

    async def settled(self) -> bytes | None:
        """Return the id of the last record of the object that was settled and may not be written yet."""
        found: bytes | None = await self._store.redis.get(self._until)
        return found

    async def settle(self, last: bytes) -> bool:
        """Settle the last record of the next object, and go on; return False where the turn is over."""
        return bool(await self._settle(keys=[self._turn, self._until], args=[self._token, TURN_MS, last]))

    async def written(self, last: bytes, records: Iterable[bytes]) -> None:
        """Remove the records of an object that S3 has, also where the turn is over."""
        await self._written(keys=[self._until, self._waiting], args=[last, *records])

    async def end(self) -> None:
        """End the turn, unless it is another replica's already."""
        await self._end(keys=[self._turn], args=[self._token])
