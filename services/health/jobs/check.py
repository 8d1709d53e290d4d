"""Make one look of the continuous checks, by the policy in force, and publish what has changed."""

from dataclasses import dataclass

from contracts.base import Target, caused_id
from contracts.health import CheckFailed
from services._chassis.clock import Clock
from services._chassis.jobs import Running
from services._chassis.policies import Policies
from services._chassis.transition import Decision, Emit, Transition
from services.health.domain.checks import Check, checks
from services.health.domain.continuous import Checking, checks_key
from services.health.domain.score import score
from services.health.jobs.assess import scored
from services.health.ports import Examiner

CHECK = "check"


@dataclass(frozen=True, slots=True)
class CheckOnce:
    examine: Examiner
    policies: Policies
    clock: Clock

    async def __call__(self, running: Running) -> Transition:
        target = Target.parse(running.payload.decode())
        policy = self.policies.of(target)
        evidence = await self.examine(target, policy.application)
        found = checks(evidence, policy.health)
        total, now = score(found), self.clock.now()

        def decide(state: bytes | None) -> Decision:
            before = Checking.from_bytes(state)
            due = before.is_due(total, now)
            emit = [Emit(scored(target, total), caused_id(running.id, "scored"))] if due else []
            emit += [
                Emit(_failed(target, check), caused_id(running.id, f"failed:{check.name}"))
                for check in before.turned_bad(found)
            ]
            after = before.after(total, found, now, exists=evidence.service is not None)
            return Decision(state=after.to_bytes(), emit=tuple(emit))

        return Transition(checks_key(target), decide)


def _failed(target: Target, check: Check) -> CheckFailed:
    return CheckFailed(target=target, check=check.name, level=check.level, critical=check.critical, detail=check.detail)
