"""Emergency scaling: recovery's events about it, and what they say of a service's counts."""

from typing import Literal

from contracts.base import Contract, Event, Time
from contracts.policy_section import Digest
from contracts.prose import Plain, Prose
from contracts.recovery import Trigger


class Counts(Contract):
    """How many tasks are wanted, and the limits of the service's scalable target (Application Auto Scaling)."""

    desired: int
    low: int | None = None
    """MinCapacity; None where there is no scalable target, or where it is left as it is."""
    high: int | None = None
    """MaxCapacity; None likewise."""


class ScalingStarted(Event):
    """Recovery is about to raise a service's counts; published before the first call that changes something."""

    scaling_id: str
    before: Counts
    """What was there."""
    raised: Counts
    """What is set. A limit that is None here is left as it is."""
    autoscaled: bool
    """Whether the service's scaling policies decide on the count once the limits are as before."""
    until: Time
    """When the counts of before come back, in product time."""
    sentence: Prose
    trigger: Trigger


class ScalingFinished(Event):
    """What an emergency scaling had set is as before again, apart from what others have changed meanwhile."""

    scaling_id: str
    result: Literal["restored", "left", "failed"]
    """``restored``: all that was set is as before. ``left``: others have changed some of it, which stays. ``failed``:
    AWS does not let recovery restore it; call people."""
    sentence: Prose
    actor: Plain = ""
    """The person who ended it early; empty where its time was over."""
    reason: Prose = ""


class ScalingDecided(Event):
    """Recovery was to scale, and did or did not. The same answer to the same trigger is published once.

    ``decision`` as in ``RollbackDecided``.
    """

    decision: Literal["acted", "declined", "people-called"]
    reason: Plain
    """The branch of the decision, a word such as ``database``; new ones may be added."""
    sentence: Prose
    trigger: Trigger
    decided_at: Time
    """Product time."""
    scaling_id: str = ""
    deployment_id: str = ""
    """The newest deployment, as an alert names it; empty where none does."""
    policy_digest: Digest = ""
