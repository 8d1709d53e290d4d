"""Transitions: what handlers, timers and jobs return to have state changed and events published.

Nothing here does I/O. A transition means: read the state under ``key``, decide, and write the new state together with
all its consequences, or nothing at all. ``store.py`` does it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from contracts.audit import AuditEntry, AuditRecord
from contracts.base import Event
from contracts.dead_letter import DeadLettered
from services._chassis.audit.acts import Audited


@dataclass(frozen=True, slots=True)
class Emit:
    """An event to be published. ``id`` derives from its cause (``contracts.base.caused_id``)."""

    event: Event | DeadLettered | AuditRecord
    id: str


@dataclass(frozen=True, slots=True)
class Timer:
    """A durable deadline. Setting one under the same id replaces it."""

    id: str
    kind: str
    """The key of the function in ``Service.timers`` that it calls."""
    due: float
    """Product time, epoch seconds."""
    payload: bytes = b""


@dataclass(frozen=True, slots=True)
class Job:
    """Work that takes longer than a moment; inserted if absent, so that the same id is done once.

    For the job of a command, ``id`` is the command's id: what the job emits at its end is then the command's
    stored answer, and a repeated command gets it again.
    """

    id: str
    kind: str
    """The key of the function in ``Service.jobs`` that does it."""
    payload: bytes = b""
    asked_by: bytes = b""
    """The command that is answered when the job fails for good (``Command.job``); empty where none waits for it. An
    operation that is recorded under the job's id ends with it, too."""


@dataclass(frozen=True, slots=True)
class Index:
    """An entry of an index: ``member`` under ``score``. Another score for the same member replaces it."""

    name: str
    member: str
    score: float
    """Epoch seconds, by which readers sort and select; lines that are 31 days older go when a new one comes."""
    keep: int
    """Members that the index holds at most; those with the lowest scores go first."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The new state and its consequences, which change together."""

    state: bytes | None = None
    """None leaves the state as it is."""
    emit: tuple[Emit, ...] = ()
    timers: tuple[Timer, ...] = ()
    cancel_timers: tuple[str, ...] = ()
    jobs: tuple[Job, ...] = ()
    cancel_jobs: tuple[str, ...] = ()
    """Ids of jobs. Their executors see ``Cancelled`` at the next heartbeat or checkpoint. The decision that cancels a
    job also answers its command or ends its operation: a job that had not begun has no executor that could."""
    records: dict[str, bytes] = field(default_factory=dict)
    """Key → a value that is kept for readers (a finished run, say); written without a comparison."""
    indexes: tuple[Index, ...] = ()
    audit: tuple[Audited | AuditEntry, ...] = ()
    """Acts that none of the events tells (``audit/events.py``)."""
    ignore_once: bool = False
    """Do nothing and do not record the cause: a redelivery is decided anew, because this event may have overtaken the
    one that it answers."""
    unmarked: bool = False
    """Do not record the cause: the same event again changes nothing, and a mark of each would fill the memory."""
    expires: bool = False
    """Whether ``state`` is forgotten 31 days after its last change: it says nothing that is still to be acted on."""


@dataclass(frozen=True, slots=True)
class Transition:
    """``decide`` sees the state under ``key``, None if there is none yet.

    It may be called again after a conflict, so it must have no effect of its own.
    """

    key: str | None
    decide: Callable[[bytes | None], Decision]

    def and_emit(self, *emit: Emit) -> "Transition":
        """Return a transition that decides the same and always publishes ``emit`` as well."""

        def decide(state: bytes | None) -> Decision:
            decision = self.decide(state)
            return replace(decision, emit=(*emit, *decision.emit), ignore_once=False)

        return Transition(self.key, decide)

    def and_record(self, records: dict[str, bytes]) -> "Transition":
        """Return a transition that decides the same and records ``records`` as well, unless it records them itself."""

        def decide(state: bytes | None) -> Decision:
            decision = self.decide(state)
            return replace(decision, records={**records, **decision.records}, ignore_once=False)

        return Transition(self.key, decide)


def decided(
    *emit: Emit,
    timers: tuple[Timer, ...] = (),
    jobs: tuple[Job, ...] = (),
    records: dict[str, bytes] | None = None,
    audit: tuple[Audited | AuditEntry, ...] = (),
) -> Transition:
    """Return a transition without a state: consequences only."""
    decision = Decision(emit=emit, timers=timers, jobs=jobs, records=records or {}, audit=audit)
    return Transition(None, lambda _: decision)


class Busy(Exception):
    """The transition is not possible now; try again later. The text says what it waits for."""


class Cancelled(Exception):
    """The job was cancelled, or another executor has taken it over; stop changing things at once."""
