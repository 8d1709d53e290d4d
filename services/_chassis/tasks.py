"""Waiting for two things at once, and shutting tasks down.

``until_over`` and ``end`` suppress a cancellation that arrives while they wait; the caller re-raises it. How a future
ended that nobody waits for any more is noted, so that asyncio does not report its error as one that was overlooked.
"""

import asyncio
import time
from collections.abc import Awaitable, Iterable
from contextlib import suppress
from math import inf
from typing import Any, TypeVar

A = TypeVar("A")
B = TypeVar("B")


async def both(first: Awaitable[A], second: Awaitable[B]) -> tuple[A, B]:
    """Return both results when both have ended; the first one's error is raised before the second one's."""
    one, other = await asyncio.gather(first, second, return_exceptions=True)
    if isinstance(one, BaseException):
        raise one
    if isinstance(other, BaseException):
        raise other
    return one, other


async def until_over(future: asyncio.Future[Any]) -> None:
    """Wait until ``future`` is done, without cancelling it."""
    while not future.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([future])
    _note_the_end(future)


async def end(tasks: Iterable[asyncio.Future[Any]], seconds: float = inf) -> set[asyncio.Future[Any]]:
    """Cancel each task until it has ended, or so many real seconds have passed; return those that still run.

    One cancellation is not enough: a library that waits with a timeout may lose a cancellation that arrives together
    with its answer (``asyncio.wait_for`` of Python 3.11 does).
    """
    tasks, deadline = [*tasks], time.monotonic() + seconds
    while going := {task for task in tasks if not task.done()}:
        if time.monotonic() >= deadline:
            return going
        for task in going:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.wait(going, timeout=0.2)
    for task in tasks:
        _note_the_end(task)
    return set()


def _note_the_end(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()
