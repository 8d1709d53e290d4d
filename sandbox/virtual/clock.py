"""A clock whose product time is the event loop's time."""

import asyncio

from sandbox.virtual.loop import BEGIN, VirtualLoop


class LoopClock:
    """The clock of a virtual loop. ``start`` is the product time, in epoch seconds, at which the loop begins."""

    def __init__(self, loop: VirtualLoop, start: float) -> None:
        self._loop = loop
        self._start = start - BEGIN

    def now(self) -> float:
        return self._start + self._loop.time()

    def at(self, real: float) -> float:
        return real

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))
