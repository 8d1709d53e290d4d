"""Looks whether the resources of a service are exhausted, and at what surrounds it, so that it can be decided."""

from dataclasses import dataclass

from contracts.policy import ServicePolicy
from services._aws.errors import AwsError
from services._chassis.clock import Clock, moment
from services._chassis.jobs import Running
from services._chassis.policies import Policies
from services._chassis.store import Store
from services._chassis.transition import Transition
from services.recovery.decisions.scale_by_itself import NOT_LOOKED, looked, needs_a_look, whole_policy_of
from services.recovery.domain.moves.remembered import Moves, moves_key
from services.recovery.domain.protection import Protection, key_of
from services.recovery.domain.scaling.exhaustion import Look, why_not_exhausted
from services.recovery.domain.scaling.scale_work import LookWork
from services.recovery.examine import ScalingExaminer


@dataclass(frozen=True, slots=True)
class LookExhaustedJob:
    examiner: ScalingExaminer
    policies: Policies
    store: Store
    clock: Clock

    async def __call__(self, running: Running) -> Transition:
        work = LookWork.from_bytes(running.payload)
        policy = whole_policy_of(self.policies, work.target)
        protection = await self.store.read(key_of(work.target), Protection)
        look = NOT_LOOKED
        if policy is not None and needs_a_look(protection, work, policy, moment(self.clock.now())):
            look = await self._look(work, policy)
        now = moment(self.clock.now())
        return Transition(
            key_of(work.target),
            lambda state: looked(Protection.from_bytes(state), work, look, policy, running.id, now),
        )

    async def _look(self, work: LookWork, policy: ServicePolicy) -> Look:
        """Look at what the tasks use and, only where that is exhaustion, at the service and what surrounds it."""
        try:
            load = await self.examiner.room.load(work.target)
            if why_not_exhausted(load, self.clock.now()) is not None:
                return Look(load=load)
            seen = await self.examiner.examine(work.target, policy)
            remembered = await self.store.read(moves_key(work.target), Moves)
            return Look(seen, load, changes=remembered.changes)
        except AwsError as error:
            return Look(unseen=f"AWS did not let recovery look at the service: {str(error).rstrip('.')}")
