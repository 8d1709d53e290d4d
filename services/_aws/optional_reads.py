"""Reads that a decision can do without: they cannot hold it up, whether AWS denies, throttles or does not answer."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from services._aws.errors import AwsError

T = TypeVar("T")

PATIENCE = 2.0
"""Real seconds that such a read is waited for."""


class OptionalReads:
    """The optional reads of one piece of work. One that has not ended in time is left to itself.

    It is not asked again, and nothing waits for it, before it has ended.
    """

    def __init__(self, patience: float | None = None) -> None:
        """``patience``: real seconds for each read; None: ``PATIENCE``."""
        self._patience = PATIENCE if patience is None else patience
        self._unanswered: dict[str, asyncio.Task[Any]] = {}

    async def read(self, name: str, question: Callable[[], Awaitable[T]]) -> T | AwsError:
        """Return the answer, or the error where there is none in time. ``name`` tells one read from the others."""
        hanging = self._unanswered.get(name)
        if hanging is not None and not hanging.done():
            return _no_answer(name)
        reading = asyncio.ensure_future(_answer(question))
        self._unanswered[name] = reading
        done, _ = await asyncio.wait({reading}, timeout=self._patience)
        return reading.result() if done else _no_answer(name)


async def _answer(question: Callable[[], Awaitable[T]]) -> T | AwsError:
    try:
        return await question()
    except AwsError as error:
        return error


def _no_answer(name: str) -> AwsError:
    return AwsError(f"AWS did not answer {name} in time", code="TimeoutError", temporary=True)
