"""Recovery, the only service that changes a live service: its commands and its events."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from contracts.base import Contract, Event, RunId, Time
from contracts.deployment import Change, Rollback
from contracts.monitor import Attribution
from contracts.policy_parts import RecoveryPolicy
from contracts.policy_section import Digest
from contracts.prose import Plain, Prose


class AlertTrigger(Contract):
    """A critical alert on an armed target: recovery rolled back by itself."""

    kind: Literal["alert"] = "alert"
    rule: str
    """The monitor's rule, as ``CriticalAlert.rule`` names it."""
    alert_id: str = ""
    """Empty where the previous version wrote the event, which did not name it."""
    detail: Prose
    """What was measured, in a sentence for a person."""

    @property
    def summary(self) -> str:
        return f"critical-alert: {self.rule}"


class CommandTrigger(Contract):
    """The orchestrator's ``roll-back``: a gate failed after the change, or somebody aborted the run."""

    kind: Literal["command"] = "command"
    reason: Prose
    """The command's ``trigger``: the names of the gates that failed, or the person who aborted the run."""

    @property
    def summary(self) -> str:
        return self.reason


class ManualTrigger(Contract):
    """A person asked recovery's API for it, outside any run."""

    kind: Literal["manual"] = "manual"
    actor: Plain = ""
    """The person who asked; empty where that is not known."""
    reason: Prose = ""
    """Why, in the words of that person; may be empty."""

    @property
    def summary(self) -> str:
        asked = f"asked for by {self.actor}" if self.actor else "asked for over the API"
        return f"{asked}: {self.reason}" if self.reason else asked


Trigger = Annotated[AlertTrigger | CommandTrigger | ManualTrigger, Field(discriminator="kind")]
"""Why a rollback began. ``summary`` is one phrase for a person; decisions are made on the type."""


def trigger_of_text(text: str, run_id: str | None, detail: str = "") -> Trigger:
    """Return the trigger that the previous version had written as a text, with what its alert had measured."""
    rule = text.removeprefix("critical-alert: ")
    if rule != text:
        return AlertTrigger(rule=rule, detail=detail)
    return ManualTrigger() if run_id is None else CommandTrigger(reason=text)


class CaptureSnapshot(Event):
    """Store what the service is now, so that it can be brought back."""

    indispensable: ClassVar[Mapping[str, str]] = {
        "snapshot_stored": "what runs now is stored, to go back to it",
        "snapshot_at_hand": "what runs now is stored, to go back to it",
        "capture_snapshot": "what runs now could be stored",
        "capture_snapshot_answered": "recovery answered in time",
    }

    run_id: RunId
    purpose: Literal["before-change", "after-change"]
    policy: RecoveryPolicy | None = None


class Arm(Event):
    """Be ready to roll back, durably, and also while the orchestrator is not running."""

    run_id: RunId
    snapshot_id: str
    """The version to go back to."""
    expires_at: Time
    auto_recovery: bool = True
    """False: recovery reports alerts and never rolls back by itself."""
    policy: RecoveryPolicy | None = None


CHANGE_ACCEPTED = "change_accepted"
"""The gate of ``apply-change`` that fails where it is certain that nothing was changed: AWS refused the change, or it
was not sent. Where the result of a call is not known, the answer has no such gate."""
CHANGE_APPLIED = "change_applied"
"""The gate of ``apply-change`` that fails where something may have been changed."""


class ApplyChange(Event):
    """Change the service, at most once for this run. Refused unless armed for this run.

    Recovery compares what it is told with what was asked for and with what is live, and decides by its own policy.
    """

    run_id: RunId
    images: dict[str, str] = Field(default_factory=dict)
    """Container name → ``repository@sha256:…``, as preflight resolved it."""
    task_definition: str | None = None
    change: Change | None = None
    """What the request asked for, as it came; None in a command of the previous version."""
    without_ecs_rollback: bool = False
    """Whether it is refused where ECS's own circuit breaker or alarms would roll it back: over this run's migration."""


class RollBack(Event):
    """Bring the armed snapshot back."""

    run_id: RunId
    trigger: Prose
    task_definition: str | None = None
    """The task definition (ARN) that somebody else deployed and the run has judged: another one is left alone. None:
    the run's own change is taken back, or what is live where nobody knows better."""


class Disarm(Event):
    """The run is over; answer ``disarmed``, or ``rollback-started`` if recovery has already begun one."""

    run_id: RunId


class SnapshotCaptured(Event):
    run_id: RunId | None = None
    snapshot_id: str
    task_definition: str
    deployment_id: str | None = None
    """The service's primary deployment then."""
    taken_at: Time | None = None
    proven: bool = False
    """Whether it was taken of a version that had passed its checks after a change."""
    sha256: str = ""
    """The hash of the stored bytes, hexadecimal; empty in events of a version before signed snapshots."""
    actor: Plain = ""
    """The person who asked for it over the API."""
    reason: Prose = ""


class DriftObserved(Event):
    """How a service differs from its last good snapshot, told when that has changed."""

    snapshot_id: str
    """The snapshot that it is compared with."""
    differences: tuple[Prose, ...] = ()
    """A sentence for each setting that differs; none: the service is as in the snapshot again."""
    observed_at: Time
    """Product time."""


class ReadinessChanged(Event):
    """Whether one can go back to the last good snapshot, and to the one before it, told when that has changed."""

    ready: bool
    """Whether one can go back to both."""
    lost: tuple[Prose, ...] = ()
    """A sentence for each of them to which one cannot go back, with the reasons; none: one can again."""
    soon: tuple[Prose, ...] = ()
    """A sentence for each reason for which one cannot go back to them before long, though one can now: a lifecycle
    policy of ECR deletes an image within a week, or after a few more pushes."""
    elsewhere: tuple[Prose, ...] = ()
    """A sentence for each reason why the service could not be made in the other place that its policy names; none: it
    could, or none is named."""
    checked_at: Time
    """Product time."""


class TargetArmed(Event):
    run_id: RunId
    snapshot_id: str
    expires_at: Time
    auto_recovery: bool | None = None
    """Whether alerts roll the run back by themselves; None in an event of the previous version."""


class TargetDisarmed(Event):
    run_id: RunId
    reason: Literal["finished", "expired"]


class ChangeApplied(Event):
    run_id: RunId
    deployment_id: str
    task_definition: str


class RollbackStarted(Event):
    """A rollback has begun; there is at most one for a run."""

    run_id: RunId | None = None
    rollback_id: str
    trigger: Prose
    """``triggered_by`` as one phrase for a person."""
    snapshot_id: str
    detail: Prose = ""
    """What was measured, where an alert was the trigger; empty otherwise."""
    deployment_id: str = ""
    """The deployment that an alert outside a run accuses, as ECS names it; empty otherwise."""
    task_definition: str | None = None
    """Its task definition (ARN): only this one is replaced. None where a run or a person asked for the rollback."""
    triggered_by: Trigger | None = None
    """None in events of the previous version; ``cause`` is right for both versions."""

    @property
    def cause(self) -> Trigger:
        """Return why the rollback began, whichever version wrote the event."""
        return self.triggered_by or trigger_of_text(self.trigger, self.run_id, self.detail)


class KnownVersion(Contract):
    """What a version is recognised by: the images of its essential containers, as far as they are known."""

    task_definition: str = ""
    """Its ARN."""
    images: dict[str, str] = Field(default_factory=dict)
    """Container name → digest of the image (``sha256:…``)."""
    stack: Plain = ""
    """The stack of CloudFormation that has made its task definition, by its tags; empty where none is known."""

    def matches(self, other: "KnownVersion") -> bool:
        """Return whether ``other`` is this version. Images decide, under whichever tag and revision.

        Where none is known here that tells this version from another one, its task definition decides.
        """
        if not self.images:
            return bool(self.task_definition) and self.task_definition == other.task_definition
        known = [(other.images[name], digest) for name, digest in self.images.items() if name in other.images]
        return bool(known) and all(there == digest for there, digest in known)


class RollbackFinished(Event):
    """A rollback has ended. ``restored``: the snapshot's version is live and healthy, whoever restored it.

    ``superseded``: another version was put there meanwhile, and nothing was done. ``failed``: call people.
    """

    run_id: RunId | None = None
    rollback_id: str
    result: Literal["restored", "superseded", "failed"]
    rollback: Rollback
    detail: Prose
    deployment_id: str = ""
    """The deployment that is live and healthy, where it is restored and ECS names it; empty otherwise, and in events of
    the previous version."""
    untouched: bool = False
    """Whether the service is as it was since its change never reached it, or changed nothing; false in events of the
    previous version."""
    taken_back: KnownVersion | None = None
    """The version that it takes back, with those images alone that are others in what it brings back. None where
    nothing was to be taken back, and in events of the previous version."""
    brought_back: KnownVersion | None = None
    """The snapshot's version. None where the snapshot could not be read, and in events of the previous version."""


class RollbackDecided(Event):
    """Recovery was to roll back, and did or did not. The same answer to the same trigger is published once.

    ``acted``: a rollback has begun. ``declined``: none was begun, and nobody has to do anything about it now.
    ``people-called``: none was begun, and only people can help.
    """

    run_id: RunId | None = None
    """None outside a run."""
    decision: Literal["acted", "declined", "people-called"]
    reason: Plain
    """The branch of the decision, a word such as ``too-old``; new ones may be added."""
    sentence: Prose
    """What was decided and why, for a person."""
    trigger: Trigger
    """What asked for it; an alert with its arithmetic."""
    decided_at: Time
    """Product time."""
    deployment_id: str = ""
    """The deployment that is to blame, as ECS names it; empty where it is not known."""
    task_definition: str = ""
    """Its task definition (ARN); empty where recovery has not looked."""
    snapshot_id: str = ""
    """What it goes back to; empty where it does not."""
    rollback_id: str = ""
    window_from: Time | None = None
    """The begin of the window that broke the rule; None where no alert tells it."""
    window_until: Time | None = None
    attribution: Attribution | None = None
    """The version that the monitor attributes that window to."""
    policy_digest: Digest = ""
    """Digest of the policy that decided; empty without a policy file, and where no policy was asked."""
