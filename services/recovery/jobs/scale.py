"""Raises a service's counts: look, plan, remember, set the limits, set the count, and see the tasks run."""

from dataclasses import dataclass, field
from datetime import datetime
from math import inf

from contracts.policy import ServicePolicy
from contracts.rollout_pace import duration
from services._aws.ecs_views import EcsService
from services._aws.errors import AwsError
from services._chassis.clock import Clock, moment
from services._chassis.jobs import Running
from services._chassis.policies import Policies
from services._chassis.store import Store
from services._chassis.transition import Transition, decided
from services.recovery.decisions.scale import end_raising, note, note_plan, refuse, wanted_of
from services.recovery.decisions.unscale import give_up
from services.recovery.domain.protection import Protection, key_of
from services.recovery.domain.scaling.scale_moves import raise_count, raise_limits
from services.recovery.domain.scaling.scale_plan import Planned, plan_scaling, unplaced
from services.recovery.domain.scaling.scale_work import ScaleWork
from services.recovery.domain.scaling.scaling import EmergencyScaling, Measured, ScalingPlan, WhyScale, not_scaled
from services.recovery.examine import ScalingExaminer
from services.recovery.ports.scaling import Autoscaling
from services.recovery.ports.service import Ecs

POLL_SECONDS = 5.0
"""Product seconds between two looks."""
REFUSED_SECONDS = 120.0
"""Product seconds for which AWS may not let it be done before it is given up: it is an emergency."""
LONGEST_START = 300.0
"""Product seconds for which new tasks are waited for; what is set stands, however long they take."""


@dataclass(frozen=True, slots=True)
class ScaleJob:
    ecs: Ecs
    autoscaling: Autoscaling
    examiner: ScalingExaminer
    policies: Policies
    store: Store
    clock: Clock

    async def __call__(self, running: Running) -> Transition:
        """Return the end of the scaling's operation."""
        execution = _Execution(self, running, ScaleWork.from_bytes(running.payload))
        while True:
            protection = await self.store.read(key_of(execution.work.target), Protection)
            scaling = protection.scaling
            if scaling is None or scaling.scaling_id != execution.work.scaling_id or scaling.phase == "restoring":
                return decided()
            end = await execution.step(protection, scaling)
            if end is not None:
                return end
            await self.clock.sleep(POLL_SECONDS)


@dataclass(slots=True)
class _Execution:
    job: ScaleJob
    running: Running
    work: ScaleWork
    failing_since: float = inf
    """Since when AWS has not let it go on."""
    began_at: float = field(default=inf)
    """When this execution first waited for the tasks."""

    @property
    def _now(self) -> datetime:
        return moment(self.job.clock.now())

    async def step(self, protection: Protection, scaling: EmergencyScaling) -> Transition | None:
        """Make one step; return the end, if it is over."""
        now = self.job.clock.now()
        try:
            end = await self._next(protection, scaling)
        except AwsError as failed:
            self.failing_since = min(self.failing_since, now)
            if now < self.failing_since + REFUSED_SECONDS:
                return None
            return self._given_up(scaling, f"{str(failed).rstrip('.')}.")
        self.failing_since = inf
        return end

    async def _next(self, protection: Protection, scaling: EmergencyScaling) -> Transition | None:
        if scaling.plan is None:
            return await self._plan(protection, scaling)
        if scaling.limits_set and scaling.count_set:
            return await self._see_it_run(scaling, scaling.plan)
        await (self._raise_count if scaling.limits_set else self._raise_limits)(scaling.plan)
        return None

    async def _plan(self, protection: Protection, scaling: EmergencyScaling) -> Transition | None:
        now = self._now
        try:
            policy: ServicePolicy = self.job.policies.of(self.work.target)
        except LookupError as error:
            return refuse(self.work, not_scaled(WhyScale.NOT_GOVERNED, str(error)), now, "")
        seen = await self.job.examiner.examine(self.work.target, policy)
        if seen is None:
            return refuse(self.work, not_scaled(WhyScale.GONE, "the service is not there"), now, policy.digest)
        planned = plan_scaling(seen, wanted_of(protection, scaling), policy.recovery)
        if not isinstance(planned, Planned):
            return refuse(self.work, planned, now, policy.digest)
        await self._apply(note_plan(self.work, planned, now, policy.digest))
        return None

    async def _raise_limits(self, plan: ScalingPlan) -> None:
        raised = plan.raised
        if raised.low is None and raised.high is None:
            await self._apply(note(self.work, limits_set=True))
            return
        move = raise_limits(plan, await self.job.autoscaling.autoscaler(self.work.target))
        if move.sets:
            await self._about_to_call()
            await self.job.autoscaling.limit(self.work.target, move.low, move.high)
        await self._apply(note(self.work, move.notes, limits_set=True, plan=move.plan, called_at=self._now))

    async def _raise_count(self, plan: ScalingPlan) -> None:
        move = raise_count(plan, (await self._service()).desired)
        if move.desired is not None:
            await self._about_to_call()
            await self.job.ecs.update(self.work.target, {"desiredCount": move.desired})
        raised = {"count_set": True, "plan": move.plan, "phase": "raised", "called_at": self._now}
        await self._apply(note(self.work, move.notes, **raised))

    async def _see_it_run(self, scaling: EmergencyScaling, plan: ScalingPlan) -> Transition | None:
        """Wait until as many tasks run as are wanted, whoever wants them."""
        service, now = await self._service(), self.job.clock.now()
        self.began_at = min(self.began_at, now)
        enough = service.running >= service.desired
        if not enough and now < self.began_at + LONGEST_START:
            return None
        seconds = now - scaling.asked_at.timestamp()
        ran = f"{service.running} of {service.desired} run after {duration(seconds)}"
        why = "" if enough else unplaced(tuple(event.message for event in service.events[:5]))
        until = f"until {scaling.until:%H:%M:%S} UTC"
        sentence = " ".join((plan.sentence, f"It stands {until}; {ran}{f': {why}' if why else ''}.", *scaling.notes))
        measured = Measured(seconds=round(seconds, 1), tasks=service.running) if enough else None
        return end_raising(self.work, sentence, moment(now), measured)

    def _given_up(self, scaling: EmergencyScaling, why: str) -> Transition:
        now = self._now
        if scaling.plan is None:
            return refuse(self.work, not_scaled(WhyScale.UNSEEN, why), now, "")
        if scaling.phase == "raised":
            return end_raising(self.work, f"{scaling.plan.sentence} Whether its tasks run is not known: {why}", now)
        return give_up(self.work, why, now)

    async def _about_to_call(self) -> None:
        """Keep the time of a call before it is made, since its answer may be lost; raise ``Cancelled``."""
        await self._apply(note(self.work, called_at=self._now))
        await self.running.check()

    async def _apply(self, transition: Transition) -> None:
        await self.job.store.apply(transition, cause="")

    async def _service(self) -> EcsService:
        body = await self.job.ecs.service(self.work.target)
        if body is None:
            raise AwsError("the service is not there any more")
        return EcsService(body)
