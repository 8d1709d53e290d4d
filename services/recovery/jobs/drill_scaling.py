"""A drill of an emergency scaling: the least step up, timed until its tasks serve, and taken back at once."""

from dataclasses import dataclass
from datetime import timedelta

from contracts.policy import ServicePolicy
from contracts.recovery import ManualTrigger
from services._aws.ecs_views import EcsService
from services._chassis.clock import Clock, moment
from services._chassis.transition import Decision, Transition
from services.recovery.decisions.drill import both, measured, note, note_plan, of_drill, refused, stopped
from services.recovery.decisions.scale import begin_scaling
from services.recovery.decisions.unscale import begin_restoring
from services.recovery.domain.drill.drill import Drill, scaling_of
from services.recovery.domain.drill.drill_plan import least_scaling, scaling_sentence_of
from services.recovery.domain.drill.drill_work import DrillWork
from services.recovery.domain.protection import Protection
from services.recovery.domain.scaling.scale_plan import Planned
from services.recovery.domain.scaling.scaling import EmergencyScaling, ScalingPlan
from services.recovery.examine import ScalingExaminer
from services.recovery.ports.service import Balancers, Ecs

LONGEST = timedelta(minutes=15)
"""For so long the tasks are waited for, and what was set stands at most."""


@dataclass(frozen=True, slots=True)
class ScalingDrill:
    ecs: Ecs
    balancers: Balancers
    examiner: ScalingExaminer
    clock: Clock

    async def step(
        self, work: DrillWork, protection: Protection, drill: Drill, policy: ServicePolicy
    ) -> tuple[Transition, bool] | None:
        """Return what is to be kept, and whether that is the end; None where it has to be looked at again."""
        if not drill.sentence:
            return await self._begin(work, protection, drill, policy)
        return await self._watch(work, protection, drill)

    async def _begin(
        self, work: DrillWork, protection: Protection, drill: Drill, policy: ServicePolicy
    ) -> tuple[Transition, bool]:
        now = moment(self.clock.now())
        seen = await self.examiner.examine(work.target, policy)
        planned = least_scaling(seen, protection, policy)
        if not isinstance(planned, Planned):
            return refused(work, planned.sentence, now), True
        body = await self.ecs.service(work.target) or {}
        scaling = EmergencyScaling(
            scaling_id=scaling_of(drill.drill_id),
            trigger=ManualTrigger(actor=drill.actor, reason=f"{drill.drill_id}: to time an emergency scaling"),
            target_count=planned.plan.raised.desired,
            asked_at=now,
            until=now + LONGEST,
        )
        noted = note_plan(
            work,
            sentence=scaling_sentence_of(planned.plan),
            version=str(body.get("taskDefinition", "")).rpartition("/")[2],
            called_at=now,
            rpo_seconds=0.0,
            scaling_id=scaling.scaling_id,
            until=now + LONGEST,
        )

        def decide(before: Protection, _: Drill) -> Decision:
            return both(noted.decide(before.to_bytes()), lambda after: begin_scaling(after, work.target, scaling))

        return of_drill(work, decide), False

    async def _watch(self, work: DrillWork, protection: Protection, drill: Drill) -> tuple[Transition, bool] | None:
        now, scaling = moment(self.clock.now()), protection.scaling
        standing = scaling is not None and scaling.scaling_id == drill.scaling_id
        if drill.served_at is not None:
            return None if standing else (measured(work, now), True)
        if scaling is None or not standing:
            past = (past for past in protection.past_scalings if past.scaling_id == drill.scaling_id)
            why = next((ended.sentence for ended in past), "its scaling is over")
            return stopped(work, f"{why[:1].lower()}{why[1:]}", now), True
        if scaling.phase == "restoring" or scaling.notes:
            why = " ".join(scaling.notes) or "its scaling was ended"
            return stopped(work, f"{why[:1].lower()}{why[1:]}", now), True
        if scaling.plan is None or not await self._serve(work, scaling.plan):
            return None

        def decide(before: Protection, _: Drill) -> Decision:
            served = note(work, served_at=now).decide(before.to_bytes())
            return both(served, lambda after: begin_restoring(after, work.target, now))

        return of_drill(work, decide), False

    async def _serve(self, work: DrillWork, plan: ScalingPlan) -> bool:
        """Return whether as many tasks as were asked for run, and are healthy behind the load balancer."""
        body = await self.ecs.service(work.target)
        if body is None or EcsService(body).running < plan.raised.desired:
            return False
        targets = await self.balancers.targets(work.target, body)
        return targets is None or targets.healthy >= plan.raised.desired
