"""What is known of a service's moves: what ECS, Application Auto Scaling and CloudTrail tell, and our own record."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from services.recovery.domain.moves.mover import Mover
from services.recovery.domain.moves.trail import Trail

What = Literal["version", "count", "limits"]


@dataclass(frozen=True, slots=True)
class Deployed:
    """A deployment of ECS."""

    at: float
    """When it began, in epoch seconds."""
    version: str
    """ARN of the task definition; empty where ECS has forgotten it."""
    source: str = ""
    """ARN of the task definition before it; empty where ECS does not tell."""
    deployment_id: str = ""
    """Its id in ``deployments[]`` of the service; empty where it is in the history alone."""
    arn: str = ""
    """ARN of the service deployment; empty where ECS tells none."""
    back_at: float | None = None
    """When ECS began to go back from it; None where it did not."""
    back_to: str = ""
    why_back: str = ""


@dataclass(frozen=True, slots=True)
class Activity:
    """A scaling activity that succeeded."""

    id: str
    at: float
    description: str
    cause: str


@dataclass(frozen=True, slots=True)
class Noticed:
    """A change that two looks have seen between them."""

    what: What
    before: str
    after: str
    since: float
    """The time of the look before (epoch seconds)."""
    at: float


@dataclass(frozen=True, slots=True)
class OurAct:
    """What this installation set at a service, and when it may have: from ``since`` to ``until``, in epoch seconds."""

    who: str
    since: float
    until: float
    desired: int | None = None
    low: int | None = None
    high: int | None = None


@dataclass(frozen=True, slots=True)
class Ours:
    """Our own record."""

    jobs: Mapping[str, str] = field(default_factory=dict)
    """Id of a job → what it was: ``the run …``."""
    deployments: Mapping[str, str] = field(default_factory=dict)
    """Id of a deployment → what has made it."""
    acts: tuple[OurAct, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    deployed: tuple[Deployed, ...] = ()
    activities: tuple[Activity, ...] = ()
    trail: Trail = field(default_factory=Trail)
    """The calls about this service alone."""
    noticed: tuple[Noticed, ...] = ()
    remembered: Mapping[Noticed, tuple[Mover, tuple[str, ...]]] = field(default_factory=dict)
    """The mover of a change, and the evidence, as an earlier look has found them."""
    ours: Ours = Ours()
    unread: Mapping[str, str] = field(default_factory=dict)
    """``deployments`` or ``activities`` → why they could not be read."""
