"""Reads a policy only once its writer has finished: what has changed is read twice, and both reads must agree."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field

from services._policy.files import Files
from services._policy.read import Found, Reader, Unreadable

SETTLE_SECONDS = 1.0
"""Time between the two reads of a change, in which a writer that truncates and then fills the file has finished."""
READ_SECONDS = 30.0
"""The longest that a read may take: a network file system may hang."""

Sleep = Callable[[float], Awaitable[None]]


@dataclass
class SettledReader:
    """Reads the files of a policy, with at most one read at a time. Times are real seconds."""

    reader: Reader
    sleep: Sleep = asyncio.sleep

    found: Found | None = field(default=None, init=False)
    """What the last read found that did not fail."""
    _reading: "asyncio.Task[Found] | None" = field(default=None, init=False)

    async def first(self) -> Files | None:
        """Return the files at the start, where no next poll would find a file that is just being written.

        They are read a third time if the first two reads differ; None if the third differs, too. Raise ``Unreadable``.
        """
        first = await self._attempt()
        second = await self._again()
        if _same(first, second):
            return second.files
        await self.sleep(SETTLE_SECONDS)
        third = await self._attempt()
        return second.files if _same(third, second) else None

    async def changed(self, known: Collection[str]) -> Files | None:
        """Return the files; None if two reads differ, since they are just being written. Raise ``Unreadable``.

        Files with a ``known`` digest have not changed, so that one read of them is enough.
        """
        first = await self._attempt()
        if not isinstance(first, Unreadable) and first.files.digest in known:
            return first.files
        second = await self._again()
        return second.files if _same(first, second) else None

    async def _again(self) -> Found:
        await self.sleep(SETTLE_SECONDS)
        second = await self._attempt()
        if isinstance(second, Unreadable):
            raise second
        return second

    async def _attempt(self) -> Found | Unreadable:
        """Read once. A read that hangs is waited for by the next attempt, and not repeated beside it."""
        if self._reading is None:
            self._reading = asyncio.ensure_future(_read(self.reader))
        done, _ = await asyncio.wait({self._reading}, timeout=READ_SECONDS)
        if not done:
            return Unreadable(f"{self.reader.location} has not answered for {READ_SECONDS:g} seconds")
        reading, self._reading = self._reading, None
        try:
            self.found = reading.result()
        except Unreadable as unreadable:
            return unreadable
        return self.found


async def _read(reader: Reader) -> Found:
    return await reader.read()


def _same(found: Found | Unreadable, second: Found) -> bool:
    return not isinstance(found, Unreadable) and found.files.digest == second.files.digest
