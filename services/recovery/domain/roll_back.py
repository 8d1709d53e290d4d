"""The strategy of a rollback: from what is observed to what is done next.

``next_move`` is the whole strategy. It is called again and again with what AWS shows now; the job that calls it keeps
nothing but the plan, so that it can die at any point and another executor can go on.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from contracts.deployment import Rollback
from contracts.recovery import ManualTrigger
from services.recovery.domain.protection import MOST_PAST, PastRollback, Protection, RollingBack

POLL_SECONDS = 5.0
DEADLINE_SECONDS = 600.0
"""Product seconds from the start of a rollback until it ends as failed and people are called."""
SEEN_SECONDS = 15.0
"""Product seconds after UpdateService for which ECS, eventually consistent, may still show the old version."""
MOST_RESTORES = 2
"""The rollback itself, and once more if what it put there was replaced by the change again."""

By = Literal["surefoot", "ecs", "other"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What the rollback started with, and what it has done until now. Times are epoch seconds."""

    started_at: float
    ordered: bool
    """Whether a person asked for this snapshot: its settings are then brought back too, whatever version is live."""
    change: Literal["none", "in-flight", "landed"]
    """The run's change: not begun (or not ours), begun and cancelled, or finished by its job."""
    no_straggler_after: float
    """The time from which no call of our change can reach AWS any more."""
    restored_at: tuple[float, ...] = ()

    @property
    def deadline(self) -> float:
        return self.started_at + DEADLINE_SECONDS


@dataclass(frozen=True, slots=True)
class Observed:
    """The service as AWS shows it."""

    now: float
    live: Literal["goal", "judged", "foreign"]
    """The primary deployment's version: the snapshot's, the one that is to be taken back, or neither."""
    rollout: str
    """The primary deployment's state: IN_PROGRESS, COMPLETED or FAILED."""
    running: int
    desired: int
    healthy_targets: int | None
    """How many targets are healthy in the target group with the fewest; None without a load balancer."""
    ecs: Literal["idle", "rolling-back", "rolled-back"]
    """What ECS's own circuit breaker or alarms are doing, or have done since we armed."""
    moved: bool = False
    """Whether a deployment was started since we armed."""
    differs: bool = False
    """Whether something that UpdateService sets is not as in the snapshot."""

    @property
    def healthy(self) -> bool:
        targets = self.desired if self.healthy_targets is None else self.healthy_targets
        return self.rollout == "COMPLETED" and self.running == self.desired and targets >= self.desired

    @property
    def progress(self) -> str:
        targets = "" if self.healthy_targets is None else f", {self.healthy_targets} healthy behind the load balancer"
        return f"{self.running} of {self.desired} tasks run{targets}"


@dataclass(frozen=True, slots=True)
class Wait:
    """Look again after ``POLL_SECONDS``."""

    message: str


@dataclass(frozen=True, slots=True)
class WaitForEcs(Wait):
    """ECS is rolling back by itself; it is not raced."""


@dataclass(frozen=True, slots=True)
class Restore:
    """Put the snapshot's version and settings there."""


@dataclass(frozen=True, slots=True)
class Done:
    by: By
    detail: str


@dataclass(frozen=True, slots=True)
class Superseded:
    detail: str


@dataclass(frozen=True, slots=True)
class Failed:
    detail: str


Ended = Done | Superseded | Failed
Move = Wait | Restore | Ended


def next_move(observed: Observed, plan: Plan) -> Move:  # noqa: PLR0911  a list of questions, in their order
    """Return what to do next. The questions are asked in their order of precedence."""
    if observed.now >= plan.deadline:
        return Failed(f"Not healthy {DEADLINE_SECONDS / 60:.0f} minutes after the rollback began: {observed.progress}.")
    if observed.ecs == "rolling-back" and not plan.restored_at:
        return WaitForEcs("ECS is rolling back by itself; waiting for it.")
    if observed.live == "goal":
        return _verify(observed, plan)
    if observed.live == "foreign":
        return Superseded("Somebody else has deployed another version meanwhile; it was left alone.")
    if not plan.restored_at:
        return Restore()
    if observed.now - plan.restored_at[-1] < SEEN_SECONDS:
        return Wait("Waiting until ECS shows the snapshot's version.")
    if len(plan.restored_at) < MOST_RESTORES:
        return Restore()
    return Failed("The snapshot's version was replaced again each time that it was put back.")


def _verify(observed: Observed, plan: Plan) -> Move:  # noqa: PLR0911  a list of questions, in their order
    if plan.ordered and observed.differs and not plan.restored_at:
        return Restore()
    if observed.now < plan.no_straggler_after:
        return Wait("Waiting until no call of the change can be under way any more.")
    if observed.rollout == "FAILED":
        return Failed("The snapshot's version does not start either.")
    if not observed.healthy:
        return Wait(f"The snapshot's version is live; {observed.progress}.")
    if plan.restored_at:
        return Done("surefoot", f"The snapshot's version is live again; {observed.progress}.")
    if observed.ecs == "rolled-back":
        return Done("ecs", f"ECS has brought the version back by itself; {observed.progress}.")
    if plan.change == "in-flight" and not observed.moved:
        return Done("surefoot", f"The change was stopped before it reached the service; {observed.progress}.")
    if plan.ordered:
        return Done("other", f"The service is as in the snapshot already; {observed.progress}.")
    if observed.moved:
        return Done("other", f"Somebody else has brought the version back; {observed.progress}.")
    return Failed("There is nothing to go back to: the snapshot's version is what is live.")


def begin(protection: Protection, rollback: RollingBack) -> Protection:
    """Begin a rollback. The caller has made sure that none is under way, and that the run has had none."""
    return protection.replace(rollback=rollback, epoch=protection.epoch + 1)


def add_waiting_command(protection: Protection, command_id: str) -> Protection:
    """Let one more command wait for the result of the rollback under way."""
    rollback = protection.rollback
    if rollback is None or command_id in rollback.commands:
        return protection
    commands = (*rollback.commands, command_id)
    return protection.replace(rollback=rollback.model_copy(update={"commands": commands}))


def end(protection: Protection, rollback: RollingBack, ended: Ended, now: datetime) -> tuple[Protection, PastRollback]:
    """End the rollback and the arm that it used up. A snapshot whose version ended live and healthy is proven."""
    match ended:
        case Done(by=by):
            result: Literal["restored", "superseded", "failed"] = "restored"
        case Superseded():
            result, by = "superseded", "other"
        case Failed():
            result, by = "failed", "surefoot"
    by_hand = rollback.triggered_by if isinstance(rollback.triggered_by, ManualTrigger) else None
    past = PastRollback(
        rollback_id=rollback.rollback_id,
        run_id=rollback.run_id,
        result=result,
        rollback=Rollback(
            trigger=rollback.trigger,
            by=by,
            snapshot_id=rollback.snapshot_id,
            seconds=max(0.0, (now - rollback.started_at).total_seconds()),
            actor=by_hand.actor if by_hand else "",
            reason=by_hand.reason if by_hand else "",
        ),
        detail=ended.detail,
    )
    snapshots = tuple(
        entry.model_copy(update={"proven": True})
        if result == "restored" and entry.snapshot_id == rollback.snapshot_id
        else entry
        for entry in protection.snapshots
    )
    used_up = protection.arm is not None and protection.arm.run_id == rollback.run_id
    return (
        protection.replace(
            rollback=None,
            arm=None if used_up else protection.arm,
            past=(*protection.past, past)[-MOST_PAST:],
            snapshots=snapshots,
        ),
        past,
    )
