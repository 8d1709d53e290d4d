"""The connections to Redis of one process: each lane has a share, and no cancellation takes any away.

redis-py's own pools either refuse at once or have all wait in one queue.
"""

import asyncio
from typing import Any

from redis.asyncio import ConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError

from services._chassis.lanes import REDIS_CONNECTIONS, WORK, lane

WAIT_SECONDS = 2.0
"""Real seconds for which a command waits for a connection of its lane."""


class NoConnection(RedisConnectionError):
    """All connections of the lane are in use; nothing was sent."""


class LanePool(ConnectionPool):
    """redis-py's pool, with a share for each lane."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given | {"max_connections": sum(REDIS_CONNECTIONS.values())})
        self._free = {name: asyncio.Semaphore(number) for name, number in REDIS_CONNECTIONS.items()}
        self._taken_of: dict[Any, asyncio.Semaphore] = {}

    async def get_connection(self, *args: Any, **options: Any) -> Any:
        """Return a connection, once the lane has one to spare. Raise ``NoConnection`` after ``WAIT_SECONDS``."""
        name = lane.get()
        free = self._free.get(name, self._free[WORK])
        if free.locked():
            try:
                async with asyncio.timeout(WAIT_SECONDS):
                    await free.acquire()
            except TimeoutError:
                raise NoConnection(f"all connections of the lane {name or 'of work'!r} are in use") from None
        else:
            await free.acquire()  # at once
        try:
            connection = await super().get_connection(*args, **options)  # type: ignore[no-untyped-call]  # redis-py's
        except BaseException:
            free.release()
            raise
        self._taken_of[connection] = free
        return connection

    async def release(self, connection: Any) -> None:
        """Take a connection back, without waiting for anything that a cancellation could end (redis-py#4121)."""
        try:
            if connection.should_reconnect():
                await connection.disconnect(nowait=True)
        finally:
            self._in_use_connections.discard(connection)
            self._available_connections.append(connection)
            free = self._taken_of.pop(connection, None)
            if free is not None:
                free.release()
