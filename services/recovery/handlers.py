"""Bus in, bus out: load, decide, apply. Nothing here calls AWS, and nothing asks whether anybody else lives."""

from dataclasses import dataclass
from datetime import datetime

from contracts.base import caused_id
from contracts.deployment import Cause
from contracts.envelope import Meta
from contracts.gates import Gate
from contracts.monitor import CriticalAlert
from contracts.policy import RecoveryPolicy
from contracts.recovery import (
    ApplyChange,
    Arm,
    CaptureSnapshot,
    CommandTrigger,
    Disarm,
    RollBack,
    TargetDisarmed,
)
from contracts.results import DisarmOutput
from services._chassis.clock import Clock, moment
from services._chassis.commands import Command
from services._chassis.jobs import FailedJob
from services._chassis.policies import Policies, governed
from services._chassis.transition import Decision, Emit, Timer, Transition
from services.recovery.decisions import (
    CHANGE,
    armed,
    begin_capture,
    begin_rollback,
    end_rollback,
    expiry_id,
    refused,
    rollback_id,
    rolled_back,
    stop_change,
)
from services.recovery.domain import alert as alerts
from services.recovery.domain import arm as arming
from services.recovery.domain import roll_back as rolling
from services.recovery.domain.protection import PastRollback, Protection, RollingBack, key_of
from services.recovery.domain.work import ChangeWork, Expiry, RollbackWork


@dataclass(frozen=True, slots=True)
class Handlers:
    clock: Clock
    policies: Policies

    def _now(self) -> datetime:
        return moment(self.clock.now())

    async def capture(self, command: CaptureSnapshot, meta: Meta) -> Transition:
        command, policy = governed(command, RecoveryPolicy, self.policies)
        return begin_capture(Command.of(command, meta), command.purpose, policy, self._now())

    async def arm(self, command: Arm, meta: Meta) -> Transition:
        command, policy = governed(command, RecoveryPolicy, self.policies)
        now, asked = self._now(), Command.of(command, meta)

        def decide(state: bytes | None) -> Decision:
            protection = Protection.from_bytes(state)
            refusal = arming.why_not_arm(protection, command, now)
            if refusal is not None:
                return Decision(emit=(refused(asked, refusal),))
            return armed(protection, arming.arm(protection, command, now, policy), asked)

        return Transition(key_of(command.target), decide)

    async def change(self, command: ApplyChange, meta: Meta) -> Transition:
        now, asked = self._now(), Command.of(command, meta)

        def decide(state: bytes | None) -> Decision:
            protection = Protection.from_bytes(state)
            refusal = arming.why_not_change(protection, command, now)
            held = protection.armed_for(command.run_id, now)
            if refusal is not None or held is None:
                return Decision(emit=(refused(asked, refusal),) if refusal else ())
            protection = arming.begin_change(protection, held, command, meta.id, now)
            work = ChangeWork(
                target=command.target,
                run_id=command.run_id,
                epoch=protection.epoch,
                images=command.images,
                task_definition=command.task_definition,
                snapshot_deployment=protection.deployment_of(held.snapshot_id),
            )
            return Decision(protection.to_bytes(), jobs=(asked.job(CHANGE, work.to_bytes()),))

        return Transition(key_of(command.target), decide)

    async def roll_back(self, command: RollBack, meta: Meta) -> Transition:
        now, asked = self._now(), Command.of(command, meta)

        def decide(state: bytes | None) -> Decision:
            protection = Protection.from_bytes(state)
            match protection.rollback_of(command.run_id):
                case PastRollback() as past:
                    return Decision(emit=(rolled_back(asked, past),))
                case RollingBack():
                    return Decision(rolling.add_waiting_command(protection, meta.id).to_bytes())
            held = protection.armed_for(command.run_id, now)
            if held is None or protection.rollback is not None:
                return Decision(emit=(_not_armed(asked),))
            rollback = RollingBack.begun(
                CommandTrigger(reason=command.trigger),
                rollback_id=rollback_id(command.run_id),
                run_id=command.run_id,
                snapshot_id=held.snapshot_id,
                started_at=now,
                commands=(meta.id,),
            )
            return begin_rollback(protection, command.target, rollback)

        return Transition(key_of(command.target), decide)

    async def disarm(self, command: Disarm, meta: Meta) -> Transition:
        asked = Command.of(command, meta)

        def decide(state: bytes | None) -> Decision:
            protection = Protection.from_bytes(state)
            if protection.rollback_of(command.run_id) is not None:
                output = DisarmOutput(answer="rollback-started")
                return Decision(emit=(asked.passed("A rollback has begun.", output=output),))
            said = asked.passed("Disarmed.", output=DisarmOutput(answer="disarmed"))
            disarmed = arming.disarm(protection, command.run_id)
            if disarmed is None:
                return Decision(emit=(said,))
            event = TargetDisarmed(target=command.target, run_id=command.run_id, reason="finished")
            stopped, jobs = stop_change(protection, command.target, "the run is over")
            return Decision(
                disarmed.to_bytes(),
                emit=(Emit(event, caused_id(meta.id, "target-disarmed")), said, *stopped),
                cancel_timers=(expiry_id(command.run_id),),
                cancel_jobs=jobs,
            )

        return Transition(key_of(command.target), decide)

    async def alert(self, alert: CriticalAlert, meta: Meta) -> Transition:
        """Roll the armed target back, or just remember what fires. ``meta`` decides nothing here."""
        del meta
        now = self._now()

        def decide(state: bytes | None) -> Decision:
            before = Protection.from_bytes(state)
            protection = alerts.note(before, alert)
            held = alerts.rollback_for(before, alert, now)
            if held is None:
                return Decision(protection.to_bytes())
            rollback = RollingBack.begun(
                alerts.trigger_of(alert),
                rollback_id=rollback_id(held.run_id),
                run_id=held.run_id,
                snapshot_id=held.snapshot_id,
                started_at=now,
            )
            return begin_rollback(protection, alert.target, rollback)

        return Transition(key_of(alert.target), decide)

    async def expire(self, timer: Timer) -> Transition:
        due, now = Expiry.from_bytes(timer.payload), self._now()

        def decide(state: bytes | None) -> Decision:
            protection = Protection.from_bytes(state)
            if not arming.expired(protection, due.run_id, now):
                return Decision()
            event = TargetDisarmed(target=due.target, run_id=due.run_id, reason="expired")
            said = Emit(event, caused_id(due.run_id, f"expired:{timer.due}"))
            stopped, jobs = stop_change(protection, due.target, "the arm has expired")
            return Decision(protection.replace(arm=None).to_bytes(), emit=(said, *stopped), cancel_jobs=jobs)

        return Transition(key_of(due.target), decide)

    async def overdue(self, timer: Timer) -> Transition:
        work = RollbackWork.from_bytes(timer.payload)
        ended = rolling.Failed("The rollback did not end by itself; look at the service.")
        return end_rollback(work, ended, self._now(), cancel=True)

    def change_failed(self, job: FailedJob) -> Transition:
        """The change's job is over, and nobody knows what came of it: a rollback looks."""
        work, now = ChangeWork.from_bytes(job.payload), self._now()

        def decide(state: bytes | None) -> Decision:
            return Decision(arming.end_change(Protection.from_bytes(state), job.id, None, None, now).to_bytes())

        return Transition(key_of(work.target), decide)

    def rollback_failed(self, job: FailedJob) -> Transition:
        """The target is free again, and people are called."""
        work = RollbackWork.from_bytes(job.payload)
        return end_rollback(work, rolling.Failed(f"The rollback {job.why}; look at the service."), self._now())


def _not_armed(command: Command) -> Emit:
    summary = "Recovery is not armed for this run, so it does not act for it."
    return command.failed(summary, Cause.REFUSED, Gate.true("armed", holds=False, detail=summary))
