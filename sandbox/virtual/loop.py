"""An event loop whose time passes only when nothing is left to do: an hour of waiting takes no time at all."""

import asyncio
import selectors
from collections.abc import Callable
from functools import partial
from typing import Any

BEGIN = 1_000.0
"""The first time of the loop's clock. It is not zero, which libraries take for "never"."""


class Stuck(RuntimeError):
    """All tasks wait, and no timer will ever fire."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """``time()`` is virtual, in seconds; it jumps to the next deadline when all tasks wait.

    What waits for a thread or for a socket waits in vain: time runs away from both. So nothing of the kind may
    be under way; calls that block are made in line.
    """

    def __init__(self) -> None:
        self._now = BEGIN
        self._spent = 0.0
        super().__init__(_Patient(self))

    def time(self) -> float:
        return self._now

    def run_in_executor(  # type: ignore[override]  # of a future, as callers await it
        self, executor: object, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Call the function synchronously, in place of any executor; its result comes after the time that it spent."""
        del executor
        done = self.create_future()
        self._spent = 0.0
        finish: Callable[[], None]
        try:
            finish = partial(_settle, done.set_result, func(*args), done)
        except Exception as error:  # noqa: BLE001  the future carries it to its awaiter
            finish = partial(_settle, done.set_exception, error, done)
        if self._spent:
            self.call_later(self._spent, finish)
        else:
            finish()
        return done

    def spend(self, seconds: float) -> None:
        """Let the call that is under way take so much time."""
        self._spent += seconds

    def pass_by(self, seconds: float) -> None:
        self._now += seconds


def _settle(settle: Callable[[Any], None], value: Any, done: asyncio.Future[Any]) -> None:
    if not done.cancelled():
        settle(value)


class _Patient(selectors.SelectSelector):
    """A selector that advances the clock instead of waiting for ``timeout``."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, Any]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise Stuck("everything waits, and nothing will ever come")
            self._loop.pass_by(timeout)
        return ready
