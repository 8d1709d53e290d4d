"""What recovery remembers of a target's alerts and deployments, for alerts outside a run."""

from datetime import datetime
from typing import Literal

from contracts.base import Contract
from contracts.monitor import Attribution


class Firing(Contract):
    """A critical alert that is raised and not resolved."""

    rule: str
    began_at: datetime
    deployment_id: str = ""
    """The deployment that was live when it was raised last; empty where the monitor does not know it."""
    window_from: datetime | None = None
    """The begin of the window that broke the rule when it was raised first; None where that is not known."""
    attribution: Attribution | None = None
    """The monitor's when it was raised last."""


class PastAlert(Contract):
    """A critical alert that is over."""

    began_at: datetime
    ended_at: datetime
    deployment_id: str = ""
    """The deployment that was live when it was raised last; empty where the monitor does not know it."""
    window_from: datetime | None = None
    """The begin of the window that broke the rule when it was raised first; None where that is not known."""
    attribution: Attribution | None = None
    """The monitor's when it was raised last."""


class Unattended(Contract):
    """A time in which a run may have deployed that was to roll nothing back by itself."""

    run_id: str
    begins: datetime
    ends: datetime


class Settled(Contract):
    """A deployment that no alert outside a run rolls back any more."""

    deployment_id: str
    """Empty where a rollback by hand took back what was live: then its task definition says what that was."""
    why: Literal["taken-back", "brought-back", "not-asked-for"]
    """A rollback has begun to take it back, a rollback has put it there, or its run was to roll nothing back itself."""
    by: str
    """The id of that rollback or run."""
    task_definition: str = ""
    """The ARN of what is to be taken back; empty for all others, and in a state of the previous version."""
    content: str = ""
    """The fingerprint of what is to be taken back; empty where that is not known, and for all others."""
    outside_since: datetime | None = None
    """When an alert outside a run began to take it back; None for all others."""


class Deployed(Contract):
    """The last deployment that a run has made, once that run is over."""

    deployment_id: str
    run_id: str
    snapshot_id: str
    """What the run was armed with: the version that was live before."""
