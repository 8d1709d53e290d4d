"""Restores what an emergency scaling has set, and is still as it was set; what others have changed stays."""

from dataclasses import dataclass
from datetime import datetime

from services._aws.ecs_views import EcsService
from services._aws.errors import AwsError
from services._chassis.clock import Clock, moment
from services._chassis.jobs import Running
from services._chassis.store import Store
from services._chassis.transition import Transition, decided
from services.recovery.decisions.scale import note
from services.recovery.decisions.unscale import again, restored
from services.recovery.domain.protection import Protection, key_of
from services.recovery.domain.scaling.scale_moves import restore_count, restore_limits
from services.recovery.domain.scaling.scale_work import ScaleWork
from services.recovery.domain.scaling.scaling import EmergencyScaling, ScalingPlan
from services.recovery.jobs.waits import waits_for
from services.recovery.ports.scaling import Autoscaling
from services.recovery.ports.service import Ecs


@dataclass(frozen=True, slots=True)
class UnscaleJob:
    ecs: Ecs
    autoscaling: Autoscaling
    store: Store
    clock: Clock
    settle_seconds: float
    """Product seconds after which a call that had begun cannot reach AWS any more."""

    async def __call__(self, running: Running) -> Transition:
        """Return the end of the scaling, or that it is tried again later."""
        work = ScaleWork.from_bytes(running.payload)
        while True:
            protection = await self.store.read(key_of(work.target), Protection)
            scaling = protection.scaling
            if scaling is None or scaling.scaling_id != work.scaling_id or scaling.phase != "restoring":
                return decided()
            try:
                end = await self._step(running, work, protection, scaling)
            except AwsError as failed:
                return again(work, self._now, f"{str(failed).rstrip('.')}.", refused=True)
            if end is not None:
                return end

    @property
    def _now(self) -> datetime:
        return moment(self.clock.now())

    async def _step(
        self, running: Running, work: ScaleWork, protection: Protection, scaling: EmergencyScaling
    ) -> Transition | None:
        plan = scaling.plan
        if plan is None:
            return restored(work, self._now)
        await self._no_straggler(scaling)
        if not scaling.limits_restored:
            await self._limits(running, work, plan)
            return None
        if not scaling.count_restored:
            return await self._count(running, work, protection, plan)
        return restored(work, self._now)

    async def _no_straggler(self, scaling: EmergencyScaling) -> None:
        """Wait until no call is under way of which no answer is known: it would undo what is restored."""
        if scaling.last_sent is not None:
            await self.clock.sleep(max(0.0, scaling.last_sent.timestamp() + self.settle_seconds - self.clock.now()))

    async def _limits(self, running: Running, work: ScaleWork, plan: ScalingPlan) -> None:
        if plan.raised.low is None and plan.raised.high is None:
            await self._keep(note(work, limits_restored=True))
            return
        move = restore_limits(plan, await self.autoscaling.autoscaler(work.target))
        if move.sets:
            await self._about_to_call(running, work)
            await self.autoscaling.limit(work.target, move.low, move.high)
        await self._keep(note(work, move.notes, limits_restored=True, called_at=None))

    async def _count(
        self, running: Running, work: ScaleWork, protection: Protection, plan: ScalingPlan
    ) -> Transition | None:
        body = await self.ecs.service(work.target)
        if body is None:
            await self._keep(note(work, ("The service is not there any more.",), count_restored=True))
            return None
        service = EcsService(body)
        autoscaler = await self.autoscaling.autoscaler(work.target) if plan.autoscaled else None
        move = restore_count(plan, service.desired, autoscaler)
        if move.desired is not None:
            if first := waits_for(protection, service, self._now):
                return again(work, self._now, f"The count waits until {first} is over.")
            await self._about_to_call(running, work)
            await self.ecs.update(work.target, {"desiredCount": move.desired})
        await self._keep(note(work, move.notes, plan=move.plan, count_restored=True, called_at=None))
        return None

    async def _about_to_call(self, running: Running, work: ScaleWork) -> None:
        await self._keep(note(work, called_at=self._now))
        await running.check()

    async def _keep(self, transition: Transition) -> None:
        await self.store.apply(transition, cause="")
