"""What the orchestrator needs of the outside: where courses and finished runs are kept."""

from dataclasses import dataclass
from typing import Protocol

from contracts.base import Target
from services._chassis.transition import Transition
from services.orchestrator.domain.course import Course
from services.orchestrator.domain.listing import Filters, RunLine, ServiceLine
from services.orchestrator.domain.view import RunView


class Courses(Protocol):
    """The chassis's store, as far as it is used here."""

    async def read(self, key: str, kind: type[Course]) -> Course:
        """Return the course under ``course:<target>``."""
        ...

    async def record(self, key: str) -> bytes | None:
        """Return the view under ``run:<run_id>``."""
        ...

    async def apply(
        self, transition: Transition, *, cause: str, cause_before: str = "", intake: bool = False
    ) -> object:
        """Decide and write, once for each cause; ``cause_before`` is the same cause as an earlier version had it.

        ``intake``: it begins something new, and is refused while Redis is full (``OutOfMemoryError``). Raise ``Busy``
        after too many conflicts.
        """
        ...


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list of runs, the latest first."""

    runs: tuple[RunLine, ...]
    cursor: str | None
    """Where the next part begins; None when there was nothing behind the last one."""


class History(Protocol):
    """All runs and services, for their readers."""

    async def runs(self, filters: Filters, since: float, cursor: str | None, limit: int) -> Page:
        """Return runs that were asked for at or after ``since`` (epoch seconds), the latest first, ``limit`` at most.

        ``cursor`` is an earlier page's. Raise ``ValueError`` for what is none.
        """
        ...

    async def ids(self, prefix: str) -> tuple[str, ...]:
        """Return the ids of runs that begin so; none for a beginning that is too short to look for."""
        ...

    async def unfinished(self, target: Target) -> tuple[RunView, ...]:
        """Return the target's runs that have not ended, by their records, the newest first."""
        ...

    async def overview(self) -> tuple[ServiceLine, ...]:
        """Return every service that the policy lists, or that was ever acted on, in the order of their targets."""
        ...
