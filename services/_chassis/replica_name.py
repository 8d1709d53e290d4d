"""A replica's name (``SUREFOOT_INSTANCE``), which one process has at a time.

Kafka gives the partitions of a static member to whoever comes with its name, and aiokafka (0.14.0) does not notice that
it was replaced, so that two processes of one name would both read everything. Who has the name keeps a mark in Redis;
who starts waits until that mark has expired. If the later process took the name instead, supervisors that start the
other one again would let two of one name end each other for ever.
"""

import asyncio
import uuid
from collections.abc import Iterable
from typing import Any

import structlog
from redis.exceptions import RedisError

from services._chassis.redis_keys import key_of
from services._chassis.startup import why_of

KEEP_SECONDS = 1.0
"""Real seconds between two looks at who has the name."""
HELD_SECONDS = 5
"""Real seconds for which the name is held without a look; so long the successor of a killed process waits."""
_HOLD = """#!lua flags=allow-oom
local holder = redis.call("GET", KEYS[1])
if holder and holder ~= ARGV[1] then
  -- a Redis that failed over to an earlier clock would hold the name of a dead process for long
  if redis.call("PTTL", KEYS[1]) > ARGV[2] * 1000 then redis.call("EXPIRE", KEYS[1], ARGV[2]) end
  return 0
end
redis.call("SET", KEYS[1], ARGV[1], "EX", ARGV[2])
return 1
"""
_GIVE_BACK = """#!lua flags=allow-oom
if redis.call("GET", KEYS[1]) == ARGV[1] then redis.call("DEL", KEYS[1]) end
"""

log = structlog.get_logger()


class NameTaken(Exception):
    """Another process has taken the name; the text is a sentence without its full stop."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"another process has this replica's name, {name}: "
            "give each replica a SUREFOOT_INSTANCE of its own, or none"
        )


class ReplicaName:
    """The name of one service's replica, as one process holds it."""

    def __init__(self, redis: Any, service: str, name: str) -> None:
        self.name = name
        self._key = key_of(service, "replica", name)
        self._hold = redis.register_script(_HOLD)
        self._give_back = redis.register_script(_GIVE_BACK)
        self._process = str(uuid.uuid4())
        """Stands for this process."""

    async def hold(self) -> bool:
        """Take or keep the name for ``HELD_SECONDS``; return False where another process has it."""
        return bool(await self._hold(keys=[self._key], args=[self._process, HELD_SECONDS]))

    async def give_back(self) -> None:
        """Let another process have the name at once, unless one has it already."""
        await self._give_back(keys=[self._key], args=[self._process])


class ReplicaNames:
    """The names of all services of one process: it works while it has them all."""

    def __init__(self, names: Iterable[ReplicaName], missing: dict[str, str]) -> None:
        """``missing`` shows what is waited for. ``names`` are in an order that is the same in all processes, so that
        no two of them wait for each other.
        """
        self._names = [*names]
        self._missing = missing

    async def take(self) -> None:
        """Wait, as long as it takes, until this process has every name; tell once for what."""
        reported = None
        while (waits_for := await self._waits_for()) is not None:
            if waits_for != reported:
                log.warning("waiting", what="name", why=waits_for)
                self._missing["name"] = reported = waits_for
            await asyncio.sleep(KEEP_SECONDS)
        self._missing.pop("name", None)

    async def keep(self) -> None:
        """Keep the names. Raise ``NameTaken`` and ``RedisError``; after the latter it is to be run again."""
        while True:
            if (other := await self._held_by_another()) is not None:
                raise NameTaken(other.name)
            await asyncio.sleep(KEEP_SECONDS)

    async def give_back(self) -> None:
        """Let others have the names at once. Raise ``RedisError``; they then have them after ``HELD_SECONDS``."""
        for name in self._names:
            await name.give_back()

    async def _waits_for(self) -> str | None:
        try:
            other = await self._held_by_another()
        except (RedisError, OSError) as error:
            return f"Redis does not say who has it ({why_of(error)})"
        return None if other is None else str(NameTaken(other.name))

    async def _held_by_another(self) -> ReplicaName | None:
        """Keep the names in their order; return the first one that another process has."""
        for name in self._names:
            if not await name.hold():
                return name
        return None
