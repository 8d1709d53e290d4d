"""A service that is made again: the state of that, the payload of its job, and the operation that the API shows."""

from datetime import datetime, timedelta
from typing import Literal, Self

from pydantic import Field

from contracts.base import Contract, Target
from contracts.operations import Operation
from contracts.prose import Plain, Prose
from contracts.state import State

APPROVAL_TIME = timedelta(minutes=60)
"""How long an approval is waited for."""
MAKING_TIME = timedelta(minutes=60)
"""How long a service may take from the approval until it serves again (docs/requirements.md, Recovery plans)."""
MOST_PAST_RECREATIONS = 10
Result = Literal["recreated", "failed", "rejected", "expired"]


class Recreation(Contract):
    """What somebody has asked to make again, from the request until the service serves."""

    recreation_id: str
    snapshot_id: str
    count: int | None = None
    """The tasks that were asked for; None: as many as in the snapshot."""
    source: Target | None = None
    """The service that the snapshot is of; None: the one that is made."""
    names: dict[Plain, Plain] = Field(default_factory=dict)
    """Id, ARN or name in the snapshot → that of what stands in its place."""
    plan: Plain
    """The digest of what was shown: an approval counts for that alone."""
    makes: tuple[Prose, ...]
    """The keys of the parts that are made, in order."""
    asked_at: datetime
    until: datetime
    """Until when an approval is waited for."""
    actor: Plain = ""
    reason: Prose = ""
    approved_by: Plain = ""
    """Empty while an approval is waited for."""
    approved_at: datetime | None = None
    begun: tuple[Prose, ...] = ()
    """The keys of the parts of which AWS was about to be asked; written before, since its answer may be lost."""
    made: dict[str, str] = Field(default_factory=dict)
    """Key of each part that was made → its id or ARN, where it has one."""
    restored: bool = False
    """Whether it is known by its event alone, from a Redis of before its approval: it ends, and makes nothing more."""
    waits: Prose = ""
    """What it waits for, or why AWS has not let it go on; empty where it goes on."""


class PastRecreation(Contract):
    recreation_id: str
    snapshot_id: str
    result: Result
    asked_at: datetime
    ended_at: datetime
    sentence: Prose


class RecreationWork(State):
    target: Target
    recreation_id: str


class RecreationOperation(Operation):
    """A service that is made again, from the request on. Until it is approved its sentence says what it waits for."""

    kind: Literal["recreation"]
    recreation_id: str
    snapshot_id: str
    plan: Plain
    result: Result | None = None

    @classmethod
    def of(cls, target: Target, recreation: Recreation, sentence: str = "") -> Self:
        return cls(
            operation_id=recreation.recreation_id,
            kind="recreation",
            target=target,
            recreation_id=recreation.recreation_id,
            snapshot_id=recreation.snapshot_id,
            plan=recreation.plan,
            started_at=recreation.asked_at,
            actor=recreation.actor,
            reason=recreation.reason,
            sentence=sentence,
        )
