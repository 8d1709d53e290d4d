"""Payloads of jobs and timers, the progress of a rollback, and the operations that the API shows."""

from datetime import datetime
from typing import Literal, Self

from contracts.base import Target
from contracts.deployment import Change, Rollback
from contracts.monitor import CriticalAlert
from contracts.operations import Operation
from contracts.policy_parts import RecoveryPolicy
from contracts.prose import Plain, Prose
from contracts.recovery import AlertTrigger, KnownVersion, ManualTrigger
from contracts.rollout_pace import RolloutPace
from contracts.state import State
from contracts.topics import Party
from services.recovery.domain.ecs_service import Baseline
from services.recovery.domain.protection import OurChange, RollingBack
from services.recovery.domain.rollback.steps import Reached, Step, steps_of
from services.recovery.domain.snapshots.snapshot import Purpose

ORCHESTRATOR, RECOVERY = Party.ORCHESTRATOR.value, Party.RECOVERY.value
"""The actors of what no person asked for."""


class CaptureWork(State):
    target: Target
    snapshot_id: str
    run_id: str | None
    """None where the snapshot was requested over the API: then no command waits for an answer."""
    purpose: Purpose
    asked_at: datetime | None = None
    """When the snapshot was requested; None in a payload of version 0.1.0."""
    actor: Plain = ""
    reason: Prose = ""
    policy: RecoveryPolicy | None = None
    """Says how many snapshots are kept, and for how long; None in a payload of the previous version: then the policy in
    force says it."""


class ChangeWork(State):
    target: Target
    run_id: str
    epoch: int
    images: dict[str, str]
    task_definition: str | None
    change: Change | None = None
    """What the request asked for; None in a payload of the previous version, and where its orchestrator asked."""
    snapshot_deployment: str | None = None
    """Id of the primary deployment of the snapshot: only this one, or the change itself, may be live."""
    without_ecs_rollback: bool = False
    """Whether UpdateService is not called where ECS itself would roll the deployment back."""
    read_again: bool = False
    """Whether the command was read again after Redis was restored: an earlier job may have made the change."""


LOOKS_APART = 60.0
"""Seconds between two looks of a recovery that runs, and whose calls of AWS are slow: beyond them nobody has looked."""
MOST_UNSEEN = 3600.0
"""A rollback is not held to the seconds in which it could not look, up to so many."""


class RollbackWork(State):
    target: Target
    rollback_id: str
    overdue: bool = False
    """In the payload of a timer: whether it has fired before, and nobody has looked since."""


class ConsiderWork(State):
    """An alert outside a run, of which a look at ECS has to decide whether it rolls back."""

    target: Target
    alert: CriticalAlert
    asked_at: datetime
    """When it came."""


class HelpedWork(State):
    """A rollback by an alert outside a run, of which is asked some time later whether it has helped."""

    target: Target
    rollback_id: str
    trigger: AlertTrigger
    deployments: tuple[str, ...]
    """The one that was taken back, and the one that brought the version before: trouble of a later one is another."""


class PurgeWork(State):
    target: Target
    snapshot_ids: tuple[str, ...]


class Expiry(State):
    target: Target
    run_id: str


class RollbackProgress(State):
    """How far a rollback has come. It is kept at each step, so that any executor can go on."""

    goals: tuple[str, ...] = ()
    """ARNs of the task definitions that count as the snapshot's version; the last one is put back."""
    judged: str | None = None
    """The version that was live at the first look, where no change of ours says which is to be taken back."""
    restored_at: tuple[float, ...] = ()
    """When UpdateService was about to be called (epoch seconds); written before, since its answer can get lost."""
    called: bool = False
    """Whether a call of UpdateService had no answer, or a refusal: it is made again, and may have taken effect."""
    refused: Prose = ""
    """What AWS said to the last call of UpdateService, where it did not take it; empty where it did."""
    baseline: Baseline | None = None
    """The deployment at the first look, where no snapshot of a run says from which on others count."""
    deployment_id: str = ""
    """The primary deployment that ``standing`` is about."""
    standing: int = 0
    """The farthest that its rollout has come (``Observed.standing``)."""
    moved_at: float = 0.0
    """When it came so far (epoch seconds)."""
    pace: RolloutPace | None = None
    """Measured once, at the first look after which the rollback waits."""
    looked_at: float = 0.0
    """When it looked last, or tried to (epoch seconds); 0 in a progress of the previous version."""
    unseen: float = 0.0
    """The seconds since its start in which it could not look."""
    unseen_at_move: float = 0.0
    """The same until it moved last."""
    taken_back: KnownVersion | None = None
    """The version that it replaces, with its images; None until it was looked at after the first call."""

    watched_from: float = 0.0
    """Since when CloudFormation, which takes the service's stack back, is watched (epoch seconds); 0: it is not."""
    of_stack: Prose = ""
    """What is to be said of the stack where Surefoot has brought the version back itself."""

    @property
    def under_way(self) -> bool:
        """Whether AWS was last seen to carry it out: whoever looks or not, it goes on."""
        return bool(self.restored_at or self.deployment_id)

    @property
    def replaced(self) -> str:
        """Return what was live before, where no change of ours says that; empty where it is what is brought back."""
        return "" if self.judged is None or self.judged in self.goals else self.judged

    def state_of(self, change: OurChange | None) -> Literal["none", "unchanged", "in-flight", "landed"]:
        """Return how far the run's change has come; none where a person or an alert outside a run began this."""
        if change is None:
            return "none"
        if change.task_definition is None:
            return "in-flight"
        return "unchanged" if change.task_definition in self.goals[:1] else "landed"

    def looked(self, started_at: float, now: float) -> Self:
        """Return the progress at a look. What lies farther back than ``LOOKS_APART`` nobody has seen."""
        return self._unseen(max(0.0, self._since(started_at, now) - LOOKS_APART), now)

    def blind(self, before: "RollbackProgress", started_at: float, now: float) -> Self:
        """Return the progress after a look that AWS did not answer; ``before`` is what it was before that look."""
        return self.replace(unseen=before.unseen)._unseen(before._since(started_at, now), now)  # noqa: SLF001

    def _since(self, started_at: float, now: float) -> float:
        return max(0.0, now - max(self.looked_at, self.moved_at, *self.restored_at, started_at))

    def _unseen(self, seconds: float, now: float) -> Self:
        return self.replace(looked_at=now, unseen=min(self.unseen + seconds, MOST_UNSEEN))

    @property
    def unseen_since(self) -> float:
        """Return the seconds since it moved last in which it could not look."""
        return self.unseen - self.unseen_at_move

    def restoring(self, goals: tuple[str, ...], now: float) -> Self:
        """Return the progress right before a call of UpdateService."""
        return self.replace(goals=goals, restored_at=(*self.restored_at, now), unseen_at_move=self.unseen)

    def after(self, deployment_id: str, standing: int, now: float) -> Self:
        """Return the progress after a look: a further step of the rollout extends the time until it counts as stuck.

        Tasks that start and stop again are no step.
        """
        if deployment_id != self.deployment_id or standing > self.standing:
            return self.replace(
                deployment_id=deployment_id, standing=standing, moved_at=now, unseen_at_move=self.unseen
            )
        return self


class RecoveryOperation(Operation):
    """A snapshot or a rollback, for a command, an alert or a person."""

    id: str
    """The same as ``operation_id``, under the name that version 0.1.0 gave it."""
    kind: Literal["snapshot", "rollback"]
    snapshot_id: str
    result: Literal["stored", "restored", "superseded", "failed"] | None = None
    detail: Prose = ""
    """The same as ``sentence``, under the name that version 0.1.0 gave it."""
    rollback: Rollback | None = None
    steps: tuple[Step, ...] = ()
    """How far a rollback by hand has come; empty for everything else, and in a record of the previous version."""

    @classmethod
    def of_capture(cls, id_: str, work: CaptureWork) -> Self:
        """Return the operation of a snapshot that is being taken."""
        return cls(
            operation_id=id_,
            id=id_,
            kind="snapshot",
            target=work.target,
            snapshot_id=work.snapshot_id,
            started_at=work.asked_at,
            actor=work.actor,
            reason=work.reason,
        )

    @classmethod
    def of_rollback(
        cls, target: Target, rollback: RollingBack, reached: Reached = Reached.EXECUTE, sentence: str = ""
    ) -> Self:
        """Return the operation of a rollback that is under way, and at the step ``reached``."""
        actor, reason = _actor_and_reason(rollback)
        return cls(
            operation_id=rollback.rollback_id,
            id=rollback.rollback_id,
            kind="rollback",
            target=target,
            snapshot_id=rollback.snapshot_id,
            started_at=rollback.started_at,
            actor=actor,
            reason=reason,
            steps=steps_of(rollback, reached, sentence),
        )


def _actor_and_reason(rollback: RollingBack) -> tuple[str, str]:
    """Return the person or service that began a rollback, and why."""
    match rollback.triggered_by:
        case ManualTrigger(actor=actor, reason=reason):
            return actor, reason
        case AlertTrigger():
            return RECOVERY, rollback.trigger
        case _:
            return ORCHESTRATOR if rollback.run_id else "", rollback.trigger
