"""What CloudTrail tells of calls that change a service: names, counts, the caller, and nothing that may be secret."""

from dataclasses import dataclass, replace
from typing import Self

from contracts.base import Target

LATEST_SECONDS = 900.0
"""Seconds after which CloudTrail has a call, as a rule (user guide, "How CloudTrail works")."""


@dataclass(frozen=True, slots=True)
class TrailCall:
    """One call that changed something, or was to."""

    event_id: str
    at: float
    """Epoch seconds; CloudTrail knows whole ones."""
    operation: str
    cluster: str
    service: str
    principal: str
    """The caller's ARN."""
    agent: str
    invoked_by: str = ""
    """The service of AWS that called for somebody; empty where none did."""
    in_console: bool = False
    user: bool = False
    """Whether the caller is an IAM user or the root user, and no role."""
    desired: int | None = None
    task_definition: str = ""
    """What was sent: ``family``, ``family:revision`` or an ARN."""
    forced: bool = False
    low: int | None = None
    high: int | None = None
    suspends: bool = False
    """Whether it suspends scaling, or resumes it."""
    deployment_id: str = ""
    """The deployment that it has begun, as ECS answered; empty where it began none, or CloudTrail leaves it out."""


@dataclass(frozen=True, slots=True)
class Trail:
    """What CloudTrail has told."""

    calls: tuple[TrailCall, ...] = ()
    """The newest first, of all services of the account and region."""
    since: float = 0.0
    """From when on all calls are here (epoch seconds); infinite where that is not known."""
    unread: str = ""
    """Why some or all of it could not be read, as a clause; empty where it was."""
    denied: bool = False

    def of(self, target: Target) -> Self:
        """Return the same with the calls about one service alone."""
        named = (target.cluster, target.service)
        return replace(self, calls=tuple(call for call in self.calls if (call.cluster, call.service) == named))
