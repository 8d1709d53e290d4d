"""Emergency scalings: resources that may be exhausted, and what is restored when the time is over."""

from contracts.envelope import Meta
from contracts.monitor import WarningAlert
from contracts.scaling import ScalingDecided, ScalingFinished, ScalingStarted
from services._chassis.jobs import FailedJob
from services._chassis.transition import Decision, Timer, Transition
from services.recovery.decisions.raise_again import decided_again, not_raised
from services.recovery.decisions.scale import look_at_moves
from services.recovery.decisions.scale_by_itself import begin_to_look, not_looked, over, whole_policy_of
from services.recovery.decisions.unscale import again, finished_again, give_up, on_time, started_again
from services.recovery.domain.moves.remembered import MovesWork
from services.recovery.domain.protection import Protection
from services.recovery.domain.scaling.exhaustion import ResourceAlert, about_resources
from services.recovery.domain.scaling.scale_work import LookWork, ScaleWork
from services.recovery.handlers.base import AreaHandlers, on


class ScalingHandlers(AreaHandlers):
    async def warning(self, alert: WarningAlert, meta: Meta) -> Transition | None:
        """Look whether resources are exhausted; of all other warnings nothing follows."""
        now, policy = self.now, whole_policy_of(self.policies, alert.target)
        if policy is None or not about_resources(alert.rule, policy.rules):
            return None
        work = LookWork(target=alert.target, alert=ResourceAlert.of(alert))

        def decide(protection: Protection) -> Decision:
            if alert.state == "resolved":
                return over(protection, work.alert)
            return begin_to_look(Decision(protection.to_bytes()), work, meta.id, policy, now)

        return on(alert.target, decide)

    async def look(self, timer: Timer) -> Transition:
        """Look again whether resources are exhausted, since their alert still fires."""
        work, now = LookWork.from_bytes(timer.payload), self.now
        policy, cause = whole_policy_of(self.policies, work.target), f"{timer.id}:{timer.due}"
        return on(
            work.target,
            lambda protection: begin_to_look(Decision(protection.to_bytes()), work, cause, policy, now),
        )

    async def own_started(self, event: ScalingStarted, meta: Meta) -> Transition | None:
        """Restore in time what a scaling has set that a Redis restored from an older copy does not know."""
        if not meta.read_again:
            return None
        return on(event.target, lambda protection: started_again(protection, event, meta.time))

    async def own_decided(self, event: ScalingDecided, meta: Meta) -> Transition | None:
        """Raise no count again a second time that a Redis restored from an older copy has forgotten."""
        if not meta.read_again:
            return None
        return on(event.target, lambda protection: decided_again(protection, event))

    async def own_finished(self, event: ScalingFinished, meta: Meta) -> Transition | None:
        if not meta.read_again:
            return None
        return on(event.target, lambda protection: finished_again(protection, event, meta.time))

    async def unscale(self, timer: Timer) -> Transition:
        """Restore what an emergency scaling has set: its time is over, or an earlier try had to wait."""
        work, now = ScaleWork.from_bytes(timer.payload), self.now
        return on(work.target, lambda protection: on_time(protection, work, timer.due, now))

    async def moves(self, timer: Timer) -> Transition:
        """Look whether somebody has changed what an emergency scaling has set."""
        work, now = MovesWork.from_bytes(timer.payload), self.now
        if work.target is None:
            return Transition(None, lambda _: Decision())
        return on(work.target, lambda protection: look_at_moves(protection, work, timer, now))

    def look_failed(self, job: FailedJob) -> Transition:
        """Look again at resources of which the look has failed for good."""
        work, now = LookWork.from_bytes(job.payload), self.now
        policy = whole_policy_of(self.policies, work.target)
        return on(work.target, lambda protection: not_looked(protection, work, policy, job.why, now))

    def scale_failed(self, job: FailedJob) -> Transition:
        """Restore at once what a scaling has set whose job has failed for good."""
        return give_up(ScaleWork.from_bytes(job.payload), f"The scaling {job.why}.", self.now)

    def raise_again_failed(self, job: FailedJob) -> Transition:
        """Call people, since a count that was set back could not be raised again."""
        return not_raised(ScaleWork.from_bytes(job.payload), f"the job {job.why}", self.now)

    def unscale_failed(self, job: FailedJob) -> Transition:
        """Try a restoration again later; people are called in time."""
        return again(ScaleWork.from_bytes(job.payload), self.now, f"The restoration {job.why}.", refused=True)
