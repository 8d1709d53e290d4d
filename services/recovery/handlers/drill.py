"""Drills: the score below which none begins, and their end."""

from contracts.drills import DrillFinished, DrillStarted
from contracts.envelope import Meta
from contracts.health import HealthScored
from services._chassis.jobs import FailedJob
from services._chassis.transition import Timer, Transition
from services.recovery.decisions import drill as drills
from services.recovery.decisions import drill_again
from services.recovery.decisions.scale_by_itself import whole_policy_of
from services.recovery.domain.drill.drill_work import DrillWork
from services.recovery.handlers.base import AreaHandlers, on


class DrillHandlers(AreaHandlers):
    async def score(self, event: HealthScored, meta: Meta) -> Transition:
        """Remember the health score, below which no drill begins, and one that is under way ends."""
        policy = whole_policy_of(self.policies, event.target)
        return on(event.target, lambda protection: drills.on_score(protection, event, meta.time, policy))

    async def end(self, timer: Timer) -> Transition:
        """End a drill that has not ended in time."""
        return drills.on_time(DrillWork.from_bytes(timer.payload), self.now)

    async def own_started(self, event: DrillStarted, meta: Meta) -> Transition | None:
        """End a drill that a Redis restored from an older copy does not know; it is not tried once more."""
        if not meta.read_again:
            return None
        return on(event.target, lambda protection: drill_again.started_again(protection, event, meta.time))

    async def own_finished(self, event: DrillFinished, meta: Meta) -> Transition | None:
        """Know again what a drill has measured, and that it is over."""
        if not meta.read_again:
            return None
        return on(event.target, lambda protection: drill_again.finished_again(protection, event))

    def failed(self, job: FailedJob) -> Transition:
        """End a drill whose job has failed for good; what it has begun is ended with it."""
        return drills.failed(DrillWork.from_bytes(job.payload), f"The drill {job.why}.", self.now)
