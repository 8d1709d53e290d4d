"""What the orchestrator needs of the outside: where courses and finished runs are kept."""

from typing import Protocol

from services._chassis.transition import Transition


class Courses(Protocol):
    """The chassis's store, as far as it is used here."""

    async def load(self, key: str) -> bytes | None:
        """Return the course under ``course:<target>``."""
        ...

    async def record(self, key: str) -> bytes | None:
        """Return the view under ``run:<run_id>``."""
        ...

    async def apply(self, transition: Transition, *, cause: str) -> object:
        """Decide and write, once for each cause. Raise ``Busy`` after too many conflicts."""
        ...
