"""Begins the drills that the policy wants from time to time, within its hours."""

from dataclasses import dataclass
from datetime import datetime

import structlog

from contracts.base import Target, caused_id
from contracts.policy import ServicePolicy
from contracts.recovery import ManualTrigger
from contracts.topics import Party
from services._chassis.clock import Clock, moment
from services._chassis.jobs import Running
from services._chassis.policies import Policies
from services._chassis.store import Store
from services._chassis.transition import Decision, Transition, decided
from services.recovery.decisions.drill import LOOKS, begin_drill
from services.recovery.domain.drill.drill import Drill
from services.recovery.domain.drill.drill_plan import due, why_not_now, within
from services.recovery.domain.protection import Protection, key_of
from services.recovery.ports.snapshots import Snapshots

DUE_DRILLS = "due-drills"
"""The kind of its job."""
MOST_AT_ONCE = 3
"""How many drills a round begins: what all services need at once nobody would have for an emergency."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class DueDrillsJob:
    snapshots: Snapshots
    store: Store
    clock: Clock
    policies: Policies

    async def __call__(self, running: Running) -> Transition:
        """Begin the drills that have been due for the longest, of services that have snapshots."""
        waiting = [found for target in await self.snapshots.targets() if (found := await self._due(target))]
        begun = 0
        for _, policy in sorted(waiting, key=lambda found: found[0]):
            await running.check()
            if begun < MOST_AT_ONCE and await self._begin(running, policy):
                begun += 1
        return decided()

    async def _due(self, target: Target) -> tuple[datetime, ServicePolicy] | None:
        """Return since when a drill has been due, with the policy; None where none is."""
        now = moment(self.clock.now())
        try:
            policy = self.policies.of(target)
        except LookupError:
            return None
        if not policy.drills.enabled or policy.drills.every_days is None or not within(policy.drills, now):
            return None
        plan = due((await self.store.read(key_of(target), Protection)).past_drills, policy.drills, now)
        return (plan.since, policy) if plan is not None else None

    async def _begin(self, running: Running, policy: ServicePolicy) -> bool:
        """Begin the drill that is due; return whether it has begun."""
        now, target, reasons = moment(self.clock.now()), policy.target, list[str]()

        def decide(state: bytes | None) -> Decision:
            reasons.clear()
            protection = Protection.from_bytes(state)
            plan, obstacle = due(protection.past_drills, policy.drills, now), why_not_now(protection, policy, now)
            if plan is None or obstacle is not None:
                reasons.append(obstacle.sentence if obstacle is not None else "It has been tried meanwhile.")
                return Decision()
            drill = Drill(
                drill_id=f"drill:{caused_id(running.id, f'{plan.plan}:{target}')}",
                plan=plan.plan,
                trigger=ManualTrigger(actor=Party.RECOVERY.value, reason=f"every {policy.drills.every_days:g} days"),
                asked_at=now,
                until=now + LOOKS,
                minimum_health_score=policy.drills.minimum_health_score,
            )
            return begin_drill(protection, target, drill)

        await self.store.apply(Transition(key_of(target), decide), cause=f"{running.id}:{target}")
        if reasons:
            log.info("a drill that is due is tried the next time", target=str(target), why=reasons[0])
        return not reasons
