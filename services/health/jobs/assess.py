"""Answer ``assess-health``: score the service once."""

from dataclasses import dataclass

from contracts.base import Target, caused_id
from contracts.gates import Gate
from contracts.health import AssessHealth, HealthScored
from contracts.policy_parts import HealthPolicy
from services._chassis.commands import Command
from services._chassis.jobs import Running
from services._chassis.policies import Policies, governed
from services._chassis.transition import Emit, Transition, decided
from services.health.domain.checks import Check, Finding, checks
from services.health.domain.observed import Evidence, Service
from services.health.domain.score import Score, score
from services.health.ports import Examiner

ASSESS = "assess"


@dataclass(frozen=True, slots=True)
class Assess:
    examine: Examiner
    policies: Policies

    async def __call__(self, running: Running) -> Transition:
        asked = AssessHealth.model_validate_json(running.payload)
        command, policy = governed(asked, HealthPolicy, self.policies)
        evidence = await self.examine(command.target, policy.application)
        found = checks(evidence, policy.health)
        total = score(found)
        gate = _gate(evidence, total, found, command.minimum_score)
        answer = Command.of(command, running).from_gates((gate,), f"The health score is {gate.detail}.")
        return decided(Emit(scored(command.target, total), caused_id(running.id, "scored")), answer)


def _gate(evidence: Evidence, total: Score, found: tuple[Check, ...], minimum: float) -> Gate:
    if isinstance(evidence.service, Service) and evidence.service.desired == 0:
        return Gate.does_not_apply("health_score", "of no meaning, since the service wants no task")
    seen = sum(check.finding is not Finding.UNKNOWN for check in found)
    return Gate.between("health_score", total.low, total.high, minimum, samples=seen, detail=_summary(total, found))


def scored(target: Target, total: Score) -> HealthScored:
    return HealthScored(target=target, low=total.low, high=total.high, rating=total.rating, levels=total.levels)


def _summary(total: Score, found: tuple[Check, ...]) -> str:
    """Return ``between 55 and 60 (tasks: 1 of 3 tasks running)``: the score and what is wrong or unknown."""
    wrong = "; ".join(f"{check.name}: {check.detail}" for check in found if check.finding is not Finding.GOOD)
    ends = f"{total.low:g}" if total.low == total.high else f"between {total.low:g} and {total.high:g}"
    return f"{ends} ({wrong})" if wrong else ends
