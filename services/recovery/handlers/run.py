"""What a run asks of recovery, and what becomes of its arm and of rollbacks."""

from collections.abc import Callable

from contracts.base import Target
from contracts.envelope import Meta
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
from services._chassis.commands import Command
from services._chassis.jobs import FailedJob
from services._chassis.policies import governed
from services._chassis.transition import Decision, Timer, Transition, decided
from services.recovery.decisions import drill as drills
from services.recovery.decisions.arm import arm, disarm, expire
from services.recovery.decisions.capture import begin_capture
from services.recovery.decisions.change import begin_change
from services.recovery.decisions.refuse import refused_by_policy
from services.recovery.decisions.replay import arm_again, begin_again, disarm_again, end_again, index_again, resume
from services.recovery.decisions.roll_back import end_rollback, overdue
from services.recovery.decisions.triggers import roll_back_on_command
from services.recovery.domain import arm as arming
from services.recovery.domain.protection import Protection
from services.recovery.domain.rollback.roll_back import Failed
from services.recovery.domain.work import ChangeWork, Expiry, RollbackWork
from services.recovery.handlers.base import AreaHandlers, on


class RunHandlers(AreaHandlers):
    async def capture(self, command: CaptureSnapshot, meta: Meta) -> Transition:
        try:
            command, policy = governed(command, RecoveryPolicy, self.policies)
        except LookupError as error:
            return decided(refused_by_policy(Command.of(command, meta), error))
        now = self.now
        begun = begin_capture(Command.of(command, meta), command.purpose, policy, now)
        return self._before_drills(command.target, command.run_id, lambda _: begun.decide(None))

    async def arm(self, command: Arm, meta: Meta) -> Transition:
        try:
            given, policy = governed(command, RecoveryPolicy, self.policies)
        except LookupError as error:
            return decided(refused_by_policy(Command.of(command, meta), error))
        now, asked = self.now, Command.of(given, meta)
        return self._before_drills(
            given.target, given.run_id, lambda protection: arm(protection, given, asked, policy, now)
        )

    def _before_drills(self, target: Target, run_id: str, decide: Callable[[Protection], Decision]) -> Transition:
        """Return what a run asks for; where a drill is under way, that ends first."""
        now, why = self.now, f"run {run_id} goes first"
        return on(target, lambda protection: drills.goes_first(protection, target, why, now, decide))

    async def change(self, command: ApplyChange, meta: Meta) -> Transition:
        now, asked, again = self.now, Command.of(command, meta), meta.read_again
        return on(command.target, lambda protection: begin_change(protection, command, asked, now, read_again=again))

    async def roll_back(self, command: RollBack, meta: Meta) -> Transition:
        now, asked = self.now, Command.of(command, meta)
        return on(command.target, lambda protection: roll_back_on_command(protection, command, asked, now))

    async def disarm(self, command: Disarm, meta: Meta) -> Transition:
        now, asked = self.now, Command.of(command, meta)
        return on(command.target, lambda protection: disarm(protection, command, asked, now))

    async def own_snapshot(self, event: SnapshotCaptured, meta: Meta) -> Transition | None:
        """Index a snapshot that this service has published: a Redis restored from an older copy may lack it."""
        if not meta.read_again:
            return None
        return on(event.target, lambda protection: index_again(protection, event))

    async def own_arming(self, event: TargetArmed, meta: Meta) -> Transition | None:
        """Know again that a run was armed which may have been to roll nothing back by itself."""
        if not meta.read_again or event.auto_recovery:
            return None
        return on(event.target, lambda protection: arm_again(protection, event, meta.time))

    async def own_disarming(self, event: TargetDisarmed, meta: Meta) -> Transition | None:
        """Roll nothing back by itself for a run to which this service has said so, though a restored state is armed."""
        if not meta.read_again:
            return None
        return on(event.target, lambda protection: disarm_again(protection, event, meta.time))

    async def own_rollback_started(self, event: RollbackStarted, meta: Meta) -> Transition | None:
        """Go on with a rollback outside a run that a Redis restored from an older copy does not know."""
        if not meta.read_again:
            return None
        return on(event.target, lambda protection: begin_again(protection, event, meta.time))

    async def own_rollback_finished(self, event: RollbackFinished, meta: Meta) -> Transition | None:
        """Know again how a rollback ended: what it brought back is not taken back by an alert."""
        if not meta.read_again:
            return None
        return on(event.target, lambda protection: end_again(protection, event))

    async def expire(self, timer: Timer) -> Transition:
        due, now = Expiry.from_bytes(timer.payload), self.now
        return on(due.target, lambda protection: expire(protection, due, timer.due, now))

    async def overdue(self, timer: Timer) -> Transition:
        return overdue(RollbackWork.from_bytes(timer.payload), timer.due, self.now)

    async def resume(self, timer: Timer) -> Transition:
        """Begin the job of a rollback that was published before Redis was restored, unless its end was, too."""
        work = RollbackWork.from_bytes(timer.payload)
        return on(work.target, lambda protection: resume(protection, work))

    def change_failed(self, job: FailedJob) -> Transition:
        """Note that the change's job has ended with an unknown result: a rollback looks at the service itself."""
        work, now = ChangeWork.from_bytes(job.payload), self.now

        def decide(protection: Protection) -> Decision:
            return Decision(arming.end_change(protection, job.id, None, None, now).to_bytes())

        return on(work.target, decide)

    def rollback_failed(self, job: FailedJob) -> Transition:
        """End the rollback as failed, so that the target is free again and people are called."""
        work = RollbackWork.from_bytes(job.payload)
        return end_rollback(work, Failed(f"The rollback {job.why}; look at the service."), self.now)
