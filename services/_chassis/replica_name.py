"""A replica's name (``SUREFOOT_INSTANCE``), which one process has at a time: the one that has taken it last.

Kafka gives the partitions of a static member to whoever comes with its name, and aiokafka (0.14.0) does not notice that
it was replaced, so that two processes of one name would both read everything.
"""

import asyncio
import uuid

from services._chassis.store import RedisStore

KEEP_SECONDS = 1.0
"""Real seconds between two looks at who has the name."""
HELD_SECONDS = 30
"""Real seconds for which the name is held without a look."""
_KEEP = """#!lua flags=allow-oom
local holder = redis.call("GET", KEYS[1])
if ARGV[3] ~= "take" and holder and holder ~= ARGV[1] then return 0 end
redis.call("SET", KEYS[1], ARGV[1], "EX", ARGV[2])
return 1
"""


class NameTaken(Exception):
    """Another process has taken the name; the text is a sentence without its full stop."""


class ReplicaName:
    """The name of one service's replica, as one process holds it."""

    def __init__(self, store: RedisStore, name: str) -> None:
        self._name = name
        self._key = store.key("replica", name)
        self._script = store.redis.register_script(_KEEP)
        self._process = str(uuid.uuid4())
        """Stands for this process."""
        self._has_taken = False

    async def run(self) -> None:
        """Take the name once, and keep it. Raise ``NameTaken``; after a ``RedisError`` it is to be run again."""
        while True:
            await self.keep()
            await asyncio.sleep(KEEP_SECONDS)

    async def keep(self) -> None:
        """Take the name the first time; later, see that nobody else has. Raise ``NameTaken`` and ``RedisError``."""
        how = "keep" if self._has_taken else "take"
        if not await self._script(keys=[self._key], args=[self._process, HELD_SECONDS, how]):
            raise NameTaken(
                f"another process has taken this replica's name, {self._name}: give each replica a SUREFOOT_INSTANCE "
                "of its own, or none"
            )
        self._has_taken = True
