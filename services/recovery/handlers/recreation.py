"""What waits for an approval to be made again, and its end."""

from contracts.envelope import Meta
from contracts.recreation import RecreationFinished, RecreationStarted
from services._chassis.jobs import FailedJob
from services._chassis.transition import Timer, Transition
from services.recovery.decisions import recreate as recreation
from services.recovery.decisions import recreate_again
from services.recovery.domain.recreation.recreation import RecreationWork
from services.recovery.handlers.base import AreaHandlers, on


class RecreationHandlers(AreaHandlers):
    async def expire(self, timer: Timer) -> Transition:
        """End what nobody has approved in time, and what a restored Redis has forgotten."""
        work, now = RecreationWork.from_bytes(timer.payload), self.now
        return on(work.target, lambda protection: recreation.expire(protection, work, now))

    async def own_started(self, event: RecreationStarted, meta: Meta) -> Transition | None:
        """End what was approved and a Redis restored from an older copy does not know; nothing more of it is made."""
        if not meta.read_again:
            return None
        return on(event.target, lambda protection: recreate_again.started_again(protection, event, meta.time))

    async def own_finished(self, event: RecreationFinished, meta: Meta) -> Transition | None:
        """Know again that it is over, where Redis was restored from a copy of before that."""
        if not meta.read_again:
            return None
        return on(event.target, lambda protection: recreate_again.finished_again(protection, event, meta.time))

    def failed(self, job: FailedJob) -> Transition:
        """End what was being made again as failed: what was made stays, and whoever asks again goes on from it."""
        work = RecreationWork.from_bytes(job.payload)
        return recreation.end(work, "failed", f"Making it again {job.why}. What was made stays; ask again.", self.now)
