"""Raises the count of an emergency scaling again, once: look, remember, set it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from services._aws.ecs_views import EcsService
from services._aws.errors import AwsError
from services._chassis.clock import Clock, moment
from services._chassis.jobs import Running
from services._chassis.store import Store
from services._chassis.transition import Transition, decided
from services.recovery.decisions.raise_again import not_raised
from services.recovery.decisions.scale import note
from services.recovery.domain.protection import Protection, key_of
from services.recovery.domain.scaling.scale_work import ScaleWork
from services.recovery.domain.scaling.scaling import Again, ScalingPlan
from services.recovery.domain.scaling.set_back import raised_again
from services.recovery.jobs.waits import waits_for
from services.recovery.ports.scaling import Autoscaling
from services.recovery.ports.service import Ecs

POLL_SECONDS = 5.0
"""Product seconds between two tries."""
LONGEST = timedelta(seconds=120)
"""For so long it is tried; a call whose answer is lost is made again only while as many are wanted as before it."""


@dataclass(frozen=True, slots=True)
class RaiseAgainJob:
    ecs: Ecs
    autoscaling: Autoscaling
    store: Store
    clock: Clock

    async def __call__(self, running: Running) -> Transition:
        """Return the end: it is raised, or people are called."""
        work = ScaleWork.from_bytes(running.payload)
        while True:
            protection = await self.store.read(key_of(work.target), Protection)
            scaling = protection.scaling
            if scaling is None or scaling.scaling_id != work.scaling_id or scaling.phase == "restoring":
                return decided()
            if scaling.again is None or scaling.again.done or scaling.plan is None:
                return decided()
            end = await self._step(running, work, protection, scaling.plan, scaling.again)
            if end is not None:
                return end
            await self.clock.sleep(POLL_SECONDS)

    @property
    def _now(self) -> datetime:
        return moment(self.clock.now())

    async def _step(
        self, running: Running, work: ScaleWork, protection: Protection, plan: ScalingPlan, again: Again
    ) -> Transition | None:
        try:
            wanted = await self._wanted(work, protection, plan, again)
            if isinstance(wanted, str):
                return not_raised(work, wanted, self._now)
            if wanted is not None:
                await self._keep(note(work, called_at=self._now, count_set=False))
                await running.check()
                await self.ecs.update(work.target, {"desiredCount": wanted})
        except AwsError as failed:
            over = self._now >= again.at + LONGEST
            return not_raised(work, str(failed).rstrip("."), self._now) if over else None
        done = again.model_copy(update={"done": True})
        return note(work, again=done, count_set=True, called_at=self._now)

    async def _wanted(
        self, work: ScaleWork, protection: Protection, plan: ScalingPlan, again: Again
    ) -> int | str | None:
        """Return the count to be set, why none is, or None where as many are wanted already. Raise ``AwsError``."""
        body = await self.ecs.service(work.target)
        if body is None:
            return "the service is not there any more"
        service = EcsService(body)
        if busy := waits_for(protection, service, self._now):
            raise AwsError(f"{busy} goes first", temporary=True)
        scaled = plan.before.low is not None
        autoscaler = await self.autoscaling.autoscaler(work.target) if scaled else None
        return raised_again(plan, again.fell_to, service.desired, autoscaler)

    async def _keep(self, transition: Transition) -> None:
        await self.store.apply(transition, cause="")
