"""Critical alerts: what an armed run, and what nobody but recovery, answers."""

from contracts.envelope import Meta
from contracts.monitor import CriticalAlert
from services._chassis.jobs import FailedJob
from services._chassis.transition import Decision, Timer, Transition
from services.recovery.decisions import drill as drills
from services.recovery.decisions.consider import again_id, begin_to_consider, not_considered, policy_of
from services.recovery.decisions.helped import whether_it_helped
from services.recovery.decisions.migrate_alert import noted_with_migration
from services.recovery.decisions.scale_by_itself import begin_to_look, look_id, whole_policy_of
from services.recovery.decisions.triggers import roll_back_on_alert
from services.recovery.domain.outside import alert as alerts
from services.recovery.domain.protection import Protection
from services.recovery.domain.scaling.exhaustion import ResourceAlert
from services.recovery.domain.scaling.scale_work import LookWork
from services.recovery.domain.work import ConsiderWork, HelpedWork
from services.recovery.handlers.base import AreaHandlers, on


class AlertHandlers(AreaHandlers):
    async def critical(self, alert: CriticalAlert, meta: Meta) -> Transition:
        """Roll an armed run back, or consider whether to go back, or to scale, outside a run."""
        now, policy = self.now, policy_of(self.policies, alert.target)
        resources, whole = ResourceAlert.of(alert), whole_policy_of(self.policies, alert.target)

        def decide(protection: Protection) -> Decision:
            ours = alerts.judged_by_a_run(protection, now)
            if ours is not None and alert.state == "raised":
                return roll_back_on_alert(protection, alert, ours, meta.id, now)
            noted = alerts.note(protection, alert, now)
            if alert.state == "resolved":
                return Decision(noted.to_bytes(), cancel_timers=(again_id(alert), look_id(resources)))
            work = ConsiderWork(target=alert.target, alert=alert, asked_at=now)
            considering = begin_to_consider(noted, work, meta.id, policy, now)
            return begin_to_look(considering, LookWork(target=alert.target, alert=resources), meta.id, whole, now)

        def without_drill(protection: Protection) -> Decision:
            return drills.on_alert(protection, alert, now, decide)

        return on(alert.target, lambda protection: noted_with_migration(protection, alert, now, without_drill))

    async def consider(self, timer: Timer) -> Transition:
        """Consider an alert again that could not be decided."""
        work, now = ConsiderWork.from_bytes(timer.payload), self.now
        policy, cause = policy_of(self.policies, work.target), f"{timer.id}:{timer.due}"
        return on(work.target, lambda protection: begin_to_consider(protection, work, cause, policy, now))

    async def helped(self, timer: Timer) -> Transition:
        """Ask whether a rollback outside a run has helped."""
        work, now = HelpedWork.from_bytes(timer.payload), self.now
        return on(work.target, lambda protection: whether_it_helped(protection, work, now))

    def consider_failed(self, job: FailedJob) -> Transition:
        """Call people for an alert that could not be considered."""
        work, now = ConsiderWork.from_bytes(job.payload), self.now
        policy = policy_of(self.policies, work.target)
        return on(work.target, lambda protection: not_considered(protection, work, job.why, policy, now))
