"""How people act on a run: pause and resume it, approve or reject it, abort it; how they release what is held after a
rollback; and what is answered. That an abort is asked for is among the requests (``deployment.py``).
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from contracts.base import Event, RunId, Time
from contracts.deployment import Phase
from contracts.policy_holds import LONGEST_HOLD
from contracts.prose import Plain, Prose
from contracts.recovery import KnownVersion


class Verb(StrEnum):
    """What a person may ask of a run."""

    PAUSE = "pause"
    RESUME = "resume"
    APPROVE = "approve"
    REJECT = "reject"
    ABORT = "abort"


class ApprovalGate(StrEnum):
    """Where a run may have to wait for persons."""

    BEFORE_CHANGE = "before_change"
    """After the checks, before anything is armed or changed."""
    BEFORE_SUCCESS = "before_success"
    """After all phases have passed, while the new version is live and recovery stands ready."""


Minutes = Annotated[float, Field(gt=0, le=LONGEST_HOLD)]
Plan = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{32})?$")]
"""Digest of what a person is shown before an approval: the run, the gate, and exactly what is applied or kept."""


class PauseRequested(Event):
    """Begin no further phase of a run for a while. What goes on, goes on: a rollback and its watch are never held."""

    run_id: RunId
    actor: Plain
    reason: Prose = ""
    minutes: Minutes | None = None
    """None: as the policy has it (``pause.default_minutes``)."""


class ResumeRequested(Event):
    """End a pause, so that the run goes on."""

    run_id: RunId
    actor: Plain
    reason: Prose = ""


class ApprovalDecided(Event):
    """Approve or reject what a run waits with."""

    run_id: RunId
    plan: Plan
    """What was shown. The decision counts for nothing else."""
    decision: Literal["approve", "reject"]
    actor: Plain
    reason: Prose = ""


class RunHeld(Event):
    """The next phase of a run does not begin yet; published when that begins, and when something about it changes."""

    run_id: RunId
    phase: Phase
    """The phase that has passed."""
    until: Time
    """When it ends by itself."""
    sentence: Prose
    """Why, for a person."""
    paused_by: Plain = ""
    """Empty where it is not paused."""
    gate: ApprovalGate | None = None
    """Where approvals are waited for; None: for none."""
    plan: Plan = ""
    shown: Prose = ""
    """What ``plan`` is the digest of, as a sentence."""
    needed: int = 0
    """How many persons have to approve."""
    given: tuple[Plain, ...] = ()
    """Who has."""


class ReleaseRequested(Event):
    """End the holds that stand on a service after rollbacks, so that what they hold may be deployed again."""

    actor: Plain
    reason: Prose = ""
    hold_id: Plain = ""
    """The one hold to end, by its name; empty: all of them."""


class HoldBegan(Event):
    """Deployments of a version are held after a rollback, until somebody releases it."""

    hold_id: Plain
    """The id of the rollback."""
    version: KnownVersion
    sentence: Prose
    """Who went back, when and why, and how it is released."""


class ReleaseAnswered(Event):
    """The answer to a request for a release."""

    accepted: bool
    released: tuple[Plain, ...] = ()
    """The ids of the holds that have ended with it."""
    actor: Plain
    reason: Prose = ""
    """The actor's."""
    sentence: Prose


class VerbAnswered(Event):
    """The answer to a verb."""

    run_id: RunId
    verb: Verb
    accepted: bool
    actor: Plain
    reason: Prose = ""
    """The actor's."""
    sentence: Prose
    """What follows from it, or why nothing does."""
