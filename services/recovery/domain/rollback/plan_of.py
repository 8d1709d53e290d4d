"""What a rollback started with, and what it has done until now, from what was kept of it."""

from contracts.rollout_pace import RolloutPace
from services.recovery.domain.protection import OurChange, RollingBack
from services.recovery.domain.rollback.roll_back import Plan
from services.recovery.domain.work import RollbackProgress


def plan_of(
    rollback: RollingBack, change: OurChange | None, progress: RollbackProgress, usual: RolloutPace, settle: float
) -> Plan:
    """Return the plan. ``usual``: the pace until it is measured; ``settle``: product seconds (``RollbackJob``)."""
    started = rollback.started_at.timestamp()
    ended = started if change is None else (change.ended_at or rollback.started_at).timestamp() + settle
    return Plan(
        started_at=started,
        ordered=rollback.by_a_person,
        change=progress.state_of(change),
        no_straggler_after=ended,
        called=progress.called,
        restored_at=progress.restored_at,
        moved_at=max(progress.moved_at, *progress.restored_at, 0.0),
        pace=progress.pace or usual,
        unseen=progress.unseen,
        unseen_since=progress.unseen_since,
        watched_from=progress.watched_from,
    )
