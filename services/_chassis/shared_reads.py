"""Expensive reads: who asks for what is being read already waits for the same answer, and few are made at once.

Nothing is kept: what was read is given to those who wait for it, and whoever asks later reads anew.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from services._chassis.transition import Busy

T = TypeVar("T")


class SharedReads(Generic[T]):
    """Reads of one kind."""

    def __init__(self, what: str, most: int) -> None:
        """``what`` is read, in the plural; ``most`` of them at once."""
        self._what = what
        self._most = most
        self._reading: dict[Hashable, asyncio.Future[T]] = {}

    async def read(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        """Return what ``work`` returns, which is called unless ``key`` is being read. Raise ``Busy``.

        The read goes on where who asked first has gone: others may wait for it.
        """
        reading = self._reading.get(key)
        if reading is None:
            if len(self._reading) >= self._most:
                raise Busy(f"{self._most} {self._what} are being read; ask again in a moment")
            reading = self._reading[key] = asyncio.ensure_future(work())
            reading.add_done_callback(lambda _: self._reading.pop(key, None))
            reading.add_done_callback(_seen)
        return await asyncio.shield(reading)


def _seen(reading: asyncio.Future[T]) -> None:
    """Take note of a failure, which everybody who waited may have left."""
    if not reading.cancelled():
        reading.exception()
