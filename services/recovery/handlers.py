"""Bus in, bus out: load, decide, apply. Nothing here calls AWS or needs another service to run."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from contracts.base import Target
from contracts.drills import DrillFinished
from contracts.envelope import Meta
from contracts.health import HealthScored
from contracts.migration import Migrate, MigrationFinished, MigrationStarted
from contracts.monitor import CriticalAlert, WarningAlert
from contracts.policy_parts import RecoveryPolicy
from contracts.recovery import (
    ApplyChange,
    Arm,
    CaptureSnapshot,
    Disarm,
    RollBack,
    RollbackFinished,
    RollbackStarted,
    SnapshotCaptured,
    TargetArmed,
    TargetDisarmed,
)
from contracts.scaling import ScalingFinished, ScalingStarted
from services._chassis.clock import Clock, moment
from services._chassis.commands import Command
from services._chassis.jobs import FailedJob
from services._chassis.policies import Policies, governed
from services._chassis.transition import Decision, Timer, Transition, decided
from services.recovery.decisions import drill as drills
from services.recovery.decisions import migrate as migrations
from services.recovery.decisions import migrate_again
from services.recovery.decisions import recreate as recreation
from services.recovery.decisions.arm import arm, disarm, expire
from services.recovery.decisions.capture import begin_capture
from services.recovery.decisions.change import begin_change
from services.recovery.decisions.consider import again_id, begin_to_consider, not_considered, policy_of
from services.recovery.decisions.helped import whether_it_helped
from services.recovery.decisions.migrate_in_run import migrate_for_run
from services.recovery.decisions.refuse import refused_by_policy
from services.recovery.decisions.replay import arm_again, begin_again, disarm_again, end_again, index_again, resume
from services.recovery.decisions.roll_back import end_rollback, overdue
from services.recovery.decisions.scale_by_itself import begin_to_look, look_id, not_looked, over, whole_policy_of
from services.recovery.decisions.triggers import roll_back_on_alert, roll_back_on_command
from services.recovery.decisions.unscale import again, finished_again, give_up, on_time, started_again
from services.recovery.domain import arm as arming
from services.recovery.domain.drill.drill_work import DrillWork
from services.recovery.domain.migration.migration import MigrateWork
from services.recovery.domain.outside import alert as alerts
from services.recovery.domain.protection import Protection, key_of
from services.recovery.domain.recreation.recreation import RecreationWork
from services.recovery.domain.rollback.roll_back import Failed
from services.recovery.domain.scaling.exhaustion import ResourceAlert, about_resources
from services.recovery.domain.scaling.scale_work import LookWork, ScaleWork
from services.recovery.domain.work import ChangeWork, ConsiderWork, Expiry, HelpedWork, RollbackWork


@dataclass(frozen=True, slots=True)
class Handlers:
    """The handlers of commands, alerts and timers.

    Only those that begin something read the policy in force: whatever undoes or ends something works without it.
    """

    clock: Clock
    policies: Policies

    def _now(self) -> datetime:
        return moment(self.clock.now())

    async def capture(self, command: CaptureSnapshot, meta: Meta) -> Transition:
        try:
            command, policy = governed(command, RecoveryPolicy, self.policies)
        except LookupError as error:
            return decided(refused_by_policy(Command.of(command, meta), error))
        now = self._now()
        begun = begin_capture(Command.of(command, meta), command.purpose, policy, now)
        return self._before_drills(command.target, command.run_id, lambda _: begun.decide(None))

    async def arm(self, command: Arm, meta: Meta) -> Transition:
        try:
            given, policy = governed(command, RecoveryPolicy, self.policies)
        except LookupError as error:
            return decided(refused_by_policy(Command.of(command, meta), error))
        now, asked = self._now(), Command.of(given, meta)
        return self._before_drills(
            given.target, given.run_id, lambda protection: arm(protection, given, asked, policy, now)
        )

    def _before_drills(self, target: Target, run_id: str, decide: Callable[[Protection], Decision]) -> Transition:
        """Return what a run asks for; where a drill is under way, that ends first."""
        now, why = self._now(), f"run {run_id} goes first"
        return _on(target, lambda protection: drills.goes_first(protection, target, why, now, decide))

    async def change(self, command: ApplyChange, meta: Meta) -> Transition:
        now, asked, again = self._now(), Command.of(command, meta), meta.read_again
        return _on(command.target, lambda protection: begin_change(protection, command, asked, now, read_again=again))

    async def migrate(self, command: Migrate, meta: Meta) -> Transition:
        try:
            given, policy = governed(command, RecoveryPolicy, self.policies)
        except LookupError as error:
            return decided(refused_by_policy(Command.of(command, meta), error))
        now, asked = self._now(), Command.of(given, meta)
        return _on(given.target, lambda held: migrate_for_run(held, given, asked, policy.recovery, now))

    async def roll_back(self, command: RollBack, meta: Meta) -> Transition:
        now, asked = self._now(), Command.of(command, meta)
        return _on(command.target, lambda protection: roll_back_on_command(protection, command, asked, now))

    async def disarm(self, command: Disarm, meta: Meta) -> Transition:
        now, asked = self._now(), Command.of(command, meta)
        return _on(command.target, lambda protection: disarm(protection, command, asked, now))

    async def alert(self, alert: CriticalAlert, meta: Meta) -> Transition:
        """Roll an armed run back, or consider whether to go back, or to scale, outside a run."""
        now, policy = self._now(), policy_of(self.policies, alert.target)
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

        return _on(alert.target, lambda protection: drills.on_alert(protection, alert, now, decide))

    async def score(self, event: HealthScored, meta: Meta) -> Transition:
        """Remember the health score, below which no drill begins, and one that is under way ends."""
        policy = whole_policy_of(self.policies, event.target)
        return _on(event.target, lambda protection: drills.on_score(protection, event, meta.time, policy))

    async def end_drill(self, timer: Timer) -> Transition:
        """End a drill that has not ended in time."""
        return drills.on_time(DrillWork.from_bytes(timer.payload), self._now())

    async def own_drill_finished(self, event: DrillFinished, meta: Meta) -> Transition | None:
        """Know again what a drill has measured, and that it is over."""
        if not meta.read_again:
            return None
        return _on(event.target, lambda protection: drills.finished_again(protection, event))

    async def warning(self, alert: WarningAlert, meta: Meta) -> Transition | None:
        """Look whether resources are exhausted; of all other warnings nothing follows."""
        now, policy = self._now(), whole_policy_of(self.policies, alert.target)
        if policy is None or not about_resources(alert.rule, policy.rules):
            return None
        work = LookWork(target=alert.target, alert=ResourceAlert.of(alert))

        def decide(protection: Protection) -> Decision:
            if alert.state == "resolved":
                return over(protection, work.alert)
            return begin_to_look(Decision(protection.to_bytes()), work, meta.id, policy, now)

        return _on(alert.target, decide)

    async def look(self, timer: Timer) -> Transition:
        """Look again whether resources are exhausted, since their alert still fires."""
        work, now = LookWork.from_bytes(timer.payload), self._now()
        policy, cause = whole_policy_of(self.policies, work.target), f"{timer.id}:{timer.due}"
        return _on(
            work.target,
            lambda protection: begin_to_look(Decision(protection.to_bytes()), work, cause, policy, now),
        )

    async def consider(self, timer: Timer) -> Transition:
        """Consider an alert again that could not be decided."""
        work, now = ConsiderWork.from_bytes(timer.payload), self._now()
        policy, cause = policy_of(self.policies, work.target), f"{timer.id}:{timer.due}"
        return _on(work.target, lambda protection: begin_to_consider(protection, work, cause, policy, now))

    async def helped(self, timer: Timer) -> Transition:
        """Ask whether a rollback outside a run has helped."""
        work, now = HelpedWork.from_bytes(timer.payload), self._now()
        return _on(work.target, lambda protection: whether_it_helped(protection, work, now))

    async def own_snapshot(self, event: SnapshotCaptured, meta: Meta) -> Transition | None:
        """Index a snapshot that this service has published: a Redis restored from an older copy may lack it."""
        if not meta.read_again:
            return None
        return _on(event.target, lambda protection: index_again(protection, event))

    async def own_arming(self, event: TargetArmed, meta: Meta) -> Transition | None:
        """Know again that a run was armed which may have been to roll nothing back by itself."""
        if not meta.read_again or event.auto_recovery:
            return None
        return _on(event.target, lambda protection: arm_again(protection, event, meta.time))

    async def own_disarming(self, event: TargetDisarmed, meta: Meta) -> Transition | None:
        """Roll nothing back by itself for a run to which this service has said so, though a restored state is armed."""
        if not meta.read_again:
            return None
        return _on(event.target, lambda protection: disarm_again(protection, event, meta.time))

    async def own_rollback_started(self, event: RollbackStarted, meta: Meta) -> Transition | None:
        """Go on with a rollback outside a run that a Redis restored from an older copy does not know."""
        if not meta.read_again:
            return None
        return _on(event.target, lambda protection: begin_again(protection, event, meta.time))

    async def own_rollback_finished(self, event: RollbackFinished, meta: Meta) -> Transition | None:
        """Know again how a rollback ended: what it brought back is not taken back by an alert."""
        if not meta.read_again:
            return None
        return _on(event.target, lambda protection: end_again(protection, event))

    async def own_scaling_started(self, event: ScalingStarted, meta: Meta) -> Transition | None:
        """Restore in time what a scaling has set that a Redis restored from an older copy does not know."""
        if not meta.read_again:
            return None
        return _on(event.target, lambda protection: started_again(protection, event, meta.time))

    async def own_scaling_finished(self, event: ScalingFinished, meta: Meta) -> Transition | None:
        if not meta.read_again:
            return None
        return _on(event.target, lambda protection: finished_again(protection, event))

    async def own_migration_started(self, event: MigrationStarted, meta: Meta) -> Transition | None:
        """Follow a migration, and never start it, that a Redis restored from an older copy does not know."""
        if not meta.read_again:
            return None
        return _on(event.target, lambda protection: migrate_again.started_again(protection, event, meta.time))

    async def own_migration_finished(self, event: MigrationFinished, meta: Meta) -> Transition | None:
        if not meta.read_again:
            return None
        return _on(event.target, lambda protection: migrate_again.finished_again(protection, event, meta.time))

    async def follow(self, timer: Timer) -> Transition:
        """Begin the job of a migration that was published before Redis was restored, unless its end was, too."""
        work = MigrateWork.from_bytes(timer.payload)
        return _on(work.target, lambda protection: migrate_again.follow(protection, work))

    async def unscale(self, timer: Timer) -> Transition:
        """Restore what an emergency scaling has set: its time is over, or an earlier try had to wait."""
        work, now = ScaleWork.from_bytes(timer.payload), self._now()
        return _on(work.target, lambda protection: on_time(protection, work, timer.due, now))

    async def recreation_expires(self, timer: Timer) -> Transition:
        """End what waits to be made again, and nobody has approved in time."""
        work, now = RecreationWork.from_bytes(timer.payload), self._now()
        return _on(work.target, lambda protection: recreation.expire(protection, work, now))

    async def resume(self, timer: Timer) -> Transition:
        """Begin the job of a rollback that was published before Redis was restored, unless its end was, too."""
        work = RollbackWork.from_bytes(timer.payload)
        return _on(work.target, lambda protection: resume(protection, work))

    async def expire(self, timer: Timer) -> Transition:
        due, now = Expiry.from_bytes(timer.payload), self._now()
        return _on(due.target, lambda protection: expire(protection, due, timer.due, now))

    async def overdue(self, timer: Timer) -> Transition:
        return overdue(RollbackWork.from_bytes(timer.payload), timer.due, self._now())

    def change_failed(self, job: FailedJob) -> Transition:
        """Note that the change's job has ended with an unknown result: a rollback looks at the service itself."""
        work, now = ChangeWork.from_bytes(job.payload), self._now()

        def decide(protection: Protection) -> Decision:
            return Decision(arming.end_change(protection, job.id, None, None, now).to_bytes())

        return _on(work.target, decide)

    def consider_failed(self, job: FailedJob) -> Transition:
        """Call people for an alert that could not be considered."""
        work, now = ConsiderWork.from_bytes(job.payload), self._now()
        policy = policy_of(self.policies, work.target)
        return _on(work.target, lambda protection: not_considered(protection, work, job.why, policy, now))

    def look_failed(self, job: FailedJob) -> Transition:
        """Look again at resources of which the look has failed for good."""
        work, now = LookWork.from_bytes(job.payload), self._now()
        policy = whole_policy_of(self.policies, work.target)
        return _on(work.target, lambda protection: not_looked(protection, work, policy, job.why, now))

    def scale_failed(self, job: FailedJob) -> Transition:
        """Restore at once what a scaling has set whose job has failed for good."""
        return give_up(ScaleWork.from_bytes(job.payload), f"The scaling {job.why}.", self._now())

    def recreate_failed(self, job: FailedJob) -> Transition:
        """End what was being made again as failed: what was made stays, and whoever asks again goes on from it."""
        work = RecreationWork.from_bytes(job.payload)
        return recreation.end(
            work, "failed", f"Making it again {job.why}. What was made stays; ask again.", self._now()
        )

    def unscale_failed(self, job: FailedJob) -> Transition:
        """Try a restoration again later; people are called in time."""
        return again(ScaleWork.from_bytes(job.payload), self._now(), f"The restoration {job.why}.", refused=True)

    def migrate_failed(self, job: FailedJob) -> Transition:
        """End a migration whose job has failed for good; its task may run on."""
        return migrations.lost(MigrateWork.from_bytes(job.payload), job.why, self._now())

    def drill_failed(self, job: FailedJob) -> Transition:
        """End a drill whose job has failed for good; what it has begun is ended with it."""
        return drills.failed(DrillWork.from_bytes(job.payload), f"The drill {job.why}.", self._now())

    def rollback_failed(self, job: FailedJob) -> Transition:
        """End the rollback as failed, so that the target is free again and people are called."""
        work = RollbackWork.from_bytes(job.payload)
        return end_rollback(work, Failed(f"The rollback {job.why}; look at the service."), self._now())


def _on(target: Target, decide: Callable[[Protection], Decision]) -> Transition:
    """Return a transition of a target's protection."""
    return Transition(key_of(target), lambda state: decide(Protection.from_bytes(state)))
