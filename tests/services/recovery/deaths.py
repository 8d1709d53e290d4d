"""Processes that die at one of their calls."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.services.recovery.harness import Crash


def die() -> None:
    raise Crash


class Deaths:
    """Lets the process die at the nth of the calls that count, before or after its effect."""

    def __init__(self) -> None:
        self.left = 0
        """How many calls there are until the process dies; 0: it does not, or has died."""
        self.after = False
        """Whether the call at which it dies has had its effect."""

    def at(self, nth: int, *, after: bool = False) -> None:
        self.left, self.after = nth, after

    def count(self, owner: Any, *names: str) -> None:
        """Count these calls of ``owner`` from now on."""
        for name in names:
            setattr(owner, name, self._counted(getattr(owner, name)))

    @contextmanager
    def put_off(self) -> Iterator[None]:
        """Let the process live meanwhile, and count no call."""
        left, self.left = self.left, 0
        yield
        self.left = left

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        async def counted(*given: Any, **named: Any) -> Any:
            dies = self.left == 1
            self.left = max(0, self.left - 1)
            if dies and not self.after:
                raise Crash
            answer = await call(*given, **named)
            if dies:
                raise Crash
            return answer

        return counted
