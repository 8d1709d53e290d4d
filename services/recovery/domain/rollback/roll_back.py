"""The strategy of a rollback: from what is observed to what is done next.

``next_move`` is the whole strategy. It is called again and again with what AWS shows now; the job that calls it keeps
nothing but the plan, so that it can die at any point and another executor can go on.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from contracts.deployment import Rollback
from contracts.recovery import ManualTrigger
from contracts.rollout_pace import RolloutPace, duration
from services.recovery.domain.ecs_service import live_deployment
from services.recovery.domain.protection import MOST_PAST, PastRollback, Protection, RollingBack
from services.recovery.domain.rollback.observed import Observed
from services.recovery.domain.rollback.stack import WATCHED_SECONDS
from services.recovery.domain.snapshots.known_version import UNKNOWN, Versions
from services.recovery.domain.snapshots.snapshot import Snapshot

POLL_SECONDS = 5.0
SEEN_SECONDS = 15.0
"""Product seconds after UpdateService for which ECS, eventually consistent, may still show the old version."""
MOST_RESTORES = 2
"""The rollback itself, and once more if what it put there was replaced by the change again."""

USUAL_PACE = RolloutPace(tasks=1)

By = Literal["surefoot", "ecs", "other"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What the rollback started with, and what it has done until now. Times are epoch seconds."""

    started_at: float
    ordered: bool
    """Whether a person asked for this snapshot: its settings are then brought back too, whatever version is live."""
    change: Literal["none", "unchanged", "in-flight", "landed"]
    """The run's change: not begun (or not ours), to the snapshot's own version, begun and cancelled, or finished."""
    no_straggler_after: float
    """The time from which no call of our change can reach AWS any more."""
    restored_at: tuple[float, ...] = ()
    called: bool = False
    """Whether there was a call of ours whose result is not known."""
    moved_at: float = 0.0
    """When something moved last; the start where nothing has."""
    pace: RolloutPace = USUAL_PACE
    unseen: float = 0.0
    """The seconds since the start in which it could not look: its process was away, or AWS did not answer."""
    unseen_since: float = 0.0
    """Those of them since something moved last."""
    watched_from: float = 0.0
    """Since when CloudFormation, which takes the service's stack back, is watched; 0 where it is not."""

    @property
    def deadline(self) -> float:
        """Return when the rollback ends as failed, so that people are called. What moves extends it."""
        stuck = max(self.started_at, self.moved_at) + self.pace.silence + self.unseen_since
        return min(stuck, self.started_at + self.pace.longest + self.unseen)


@dataclass(frozen=True, slots=True)
class Wait:
    """Look again after ``POLL_SECONDS``."""

    message: str


@dataclass(frozen=True, slots=True)
class WaitForEcs(Wait):
    """ECS is rolling back by itself; it is not raced."""


@dataclass(frozen=True, slots=True)
class WaitForStack(Wait):
    """CloudFormation takes the service's stack back by itself; it is not raced."""


@dataclass(frozen=True, slots=True)
class Restore:
    """Put the snapshot's version and settings there."""


@dataclass(frozen=True, slots=True)
class Done:
    by: By
    detail: str
    deployment_id: str = ""
    """The deployment that was put there, as ECS names it; empty where none was, or ECS lists none."""
    untouched: bool = False
    """Whether the change has never reached the service, or was none."""


@dataclass(frozen=True, slots=True)
class Superseded:
    detail: str


@dataclass(frozen=True, slots=True)
class Failed:
    detail: str


Ended = Done | Superseded | Failed
Move = Wait | Restore | Ended


def next_move(observed: Observed, plan: Plan) -> Move:
    """Return what to do next. What is over by then is not overdue."""
    move = _move(observed, plan)
    over = isinstance(move, Done | Superseded | Failed)
    return Failed(_overdue(observed, plan)) if observed.now >= plan.deadline and not over else move


def _move(observed: Observed, plan: Plan) -> Move:  # noqa: PLR0911  a list of questions, in their order
    """Return what to do next while there is time. The questions are asked in their order of precedence."""
    if observed.ecs == "rolling-back" and not plan.restored_at:
        return WaitForEcs(f"ECS is rolling back by itself; waiting for it: {observed.progress}.")
    if _is_stacks_turn(observed, plan):
        name = observed.stack.name if observed.stack is not None else ""
        return WaitForStack(f"CloudFormation takes the stack {name} back; waiting for it: {observed.progress}.")
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


def _is_stacks_turn(observed: Observed, plan: Plan) -> bool:
    """Return whether CloudFormation is to bring the version back, for a while, and nobody else has begun to."""
    stack = observed.stack
    if stack is None or not stack.going_back or plan.restored_at or plan.called:
        return False
    unfinished = observed.live == "judged" or (observed.live == "goal" and plan.ordered and observed.differs)
    return unfinished and observed.now < (plan.watched_from or observed.now) + WATCHED_SECONDS


def _overdue(observed: Observed, plan: Plan) -> str:
    silent = observed.now - max(plan.started_at, plan.moved_at)
    missing = observed.missing or ("" if observed.live == "goal" else "the snapshot's version is not live")
    bound = f"Nothing has moved for {duration(silent)}"
    unseen = plan.unseen_since
    if silent < plan.pace.silence + unseen:
        bound, unseen = f"Not over {duration(observed.now - plan.started_at)} after the rollback began", plan.unseen
    if unseen:
        bound = f"{bound}, for {duration(unseen)} of which nobody could look"
    return f"{bound}: {observed.progress}{': ' if missing else ''}{missing}; {plan.pace.sentence}."


def _verify(observed: Observed, plan: Plan) -> Move:
    if plan.ordered and observed.differs and not plan.restored_at:
        return Restore()
    if observed.now < plan.no_straggler_after:
        return Wait("Waiting until no call of the change can be under way any more.")
    if observed.rollout == "FAILED":
        return Failed(f"The snapshot's version does not start either: {observed.progress}.")
    if not observed.healthy:
        message = f"The snapshot's version is live; {observed.progress}: {observed.missing}; {plan.pace.sentence}."
        return Wait(message)
    by, what = _whose(observed, plan)
    if by is None:
        return Failed("There is nothing to go back to: the snapshot's version is what is live.")
    brought = observed.deployment_id if observed.moved or plan.restored_at else ""
    return Done(by, f"{what}; {observed.progress}.{observed.left}", brought, _is_untouched(observed, plan))


def _is_untouched(observed: Observed, plan: Plan) -> bool:
    """Whether the change has certainly not reached the service, and nothing was put there for it."""
    if plan.restored_at or observed.moved or observed.ecs == "rolled-back":
        return False
    return plan.change in {"unchanged", "in-flight"}


def _whose(observed: Observed, plan: Plan) -> tuple[By | None, str]:  # noqa: PLR0911  a list of questions
    """Return who has brought the version back, and what happened as a clause; None where nobody has."""
    if plan.restored_at or (plan.called and observed.moved):
        return "surefoot", "The snapshot's version is live again"
    if observed.ecs == "rolled-back":
        return "ecs", "ECS has brought the version back by itself"
    if plan.watched_from and observed.moved:
        return "other", "The snapshot's version is live again, while CloudFormation took the service's stack back"
    if plan.change == "unchanged":
        return "surefoot", "Nothing was changed: the snapshot's version is what the run deployed"
    if plan.change == "in-flight" and not observed.moved:
        return "surefoot", "The change was stopped before it reached the service"
    if plan.ordered:
        return "other", "The service is as in the snapshot already"
    if observed.moved or plan.change == "landed":
        return "other", "Somebody else has brought the version back"
    return None, ""


def begin(protection: Protection, rollback: RollingBack) -> Protection:
    """Begin a rollback. The caller has made sure that none is under way, and that the run has had none."""
    held = protection.arm
    change = held.change if held is not None and held.run_id == rollback.run_id else None
    accused = rollback.deployment_id or (change.deployment_id if change else None) or ""
    begun = protection.replace(rollback=rollback, epoch=protection.epoch + 1)
    version, content = rollback.judged or "", rollback.content
    if held is not None and change is not None and change.task_definition != protection.version_of(held):
        version, content = version or change.task_definition or "", change.content
    outside_since = rollback.started_at if rollback.deployment_id else None
    return begun.settle_taken_back(accused, rollback.rollback_id, version, outside_since, content)


def restores_all(rollback: RollingBack, snapshot: Snapshot) -> bool:
    """Return whether the settings of the snapshot are brought back as well, and not only what is undone.

    A person asks for the whole snapshot. That of a run may be of a version that was not live: a rollout was under way
    or had failed, whose settings go with it.
    """
    rolled_out = live_deployment(snapshot.service).get("rolloutState") in {"COMPLETED", None}
    return rollback.by_a_person or (rollback.run_id is not None and not rolled_out)


def add_waiting_command(protection: Protection, command_id: str) -> Protection:
    """Let one more command wait for the result of the rollback under way."""
    rollback = protection.rollback
    if rollback is None or command_id in rollback.commands:
        return protection
    commands = (*rollback.commands, command_id)
    return protection.replace(rollback=rollback.model_copy(update={"commands": commands}))


def end(
    protection: Protection, rollback: RollingBack, ended: Ended, now: datetime, versions: Versions = UNKNOWN
) -> tuple[Protection, PastRollback]:
    """End the rollback and the arm that it used up. A snapshot whose version ended live and healthy is proven.

    ``versions``: what it has exchanged.
    """
    brought = ""
    match ended:
        case Done(by=by, deployment_id=brought):
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
        taken_back=versions.taken_back.task_definition if versions.taken_back else "",
        brought_back=versions.brought_back.task_definition if versions.brought_back else "",
        ended_at=now,
    )
    snapshots = tuple(
        entry.model_copy(update={"proven": True})
        if result == "restored" and entry.snapshot_id == rollback.snapshot_id
        else entry
        for entry in protection.snapshots
    )
    used_up = protection.arm is not None and protection.arm.run_id == rollback.run_id
    return (
        protection.settle(brought, "brought-back", rollback.rollback_id).replace(
            rollback=None,
            arm=None if used_up else protection.arm,
            past=(*protection.past, past)[-MOST_PAST:],
            snapshots=snapshots,
        ),
        past,
    )
