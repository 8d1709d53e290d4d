"""What waits for an approval to be made again, and its end."""

from services._chassis.jobs import FailedJob
from services._chassis.transition import Timer, Transition
from services.recovery.decisions import recreate as recreation
from services.recovery.domain.recreation.recreation import RecreationWork
from services.recovery.handlers.base import AreaHandlers, on


class RecreationHandlers(AreaHandlers):
    async def expire(self, timer: Timer) -> Transition:
        """End what waits to be made again, and nobody has approved in time."""
        work, now = RecreationWork.from_bytes(timer.payload), self.now
        return on(work.target, lambda protection: recreation.expire(protection, work, now))

    def failed(self, job: FailedJob) -> Transition:
        """End what was being made again as failed: what was made stays, and whoever asks again goes on from it."""
        work = RecreationWork.from_bytes(job.payload)
        return recreation.end(work, "failed", f"Making it again {job.why}. What was made stays; ask again.", self.now)
