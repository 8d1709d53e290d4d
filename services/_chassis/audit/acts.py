"""What a decision says of an act, and from where the present work came. Nothing here does I/O."""

from contextvars import ContextVar
from dataclasses import dataclass, replace

from contracts.audit import Act, Who
from contracts.base import Target


@dataclass(frozen=True, slots=True)
class Audited:
    """An act that is recorded together with the state that it changes (``Decision.audit``)."""

    act: Act
    id: str
    """Derives from the act's cause, so that the same act has the same id."""
    target: Target | None = None
    why: str = ""
    outcome: str = "done"
    asked_by: str = ""
    run_id: str = ""
    details: tuple[str, ...] = ()
    who: Who | None = None
    where: str = ""
    """Without them, who asks for the present work, and from where."""


@dataclass(slots=True)
class Origin:
    """From where the present work came: a request or a message."""

    who: Who
    where: str
    """An address, or ``topic/partition/offset``."""
    pending: Audited | None = None
    """It was let in; that is recorded with the first state that changes for it, and by itself where none does."""
    asked_by: str = ""
    why: str = ""
    """What the request's body says: for whom it is, and why."""

    @property
    def let_in(self) -> Audited | None:
        """Return what is still to be recorded of its having been let in."""
        if self.pending is None or not (self.asked_by or self.why):
            return self.pending
        return replace(self.pending, asked_by=self.asked_by, why=self.why)


origin: ContextVar[Origin | None] = ContextVar("origin", default=None)
"""None: the service acts by itself, for a job or a timer."""


def note_body(actor: str, reason: str) -> None:
    """Note what the body of the present request says: for whom it is, and why."""
    if (asked := origin.get()) is not None:
        asked.asked_by, asked.why = actor, reason
