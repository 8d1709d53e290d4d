"""HTTP in, HTTP out: drills, by which a recovery plan is tried and timed. It answers 202 with its operation's URL."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from contracts.access import Role
from contracts.base import Target
from contracts.bounds import MOST_OVERRIDES
from contracts.deployment import Override
from contracts.drills import DrillPlan
from contracts.policy import ServicePolicy
from contracts.prose import Prose
from contracts.recovery import ManualTrigger
from services._aws.existing import Existing
from services._chassis.access.permit import NowAsking, needs
from services._chassis.http import Problem
from services._chassis.operations import (
    Accepted,
    IdempotencyKey,
    Operations,
    Requested,
    request_id,
)
from services._chassis.policies import Policies
from services._chassis.targets import Targets
from services._chassis.transition import Decision
from services.recovery.api.asked import BEGUN_BEFORE, Asked, Refused, begins
from services.recovery.api.bodies import check_overrides
from services.recovery.decisions.drill import LOOKS, begin_drill, stop_drill
from services.recovery.domain.drill.drill import Drill
from services.recovery.domain.drill.drill_plan import (
    OVERRIDABLE,
    Obstacle,
    least_scaling,
    scaling_sentence_of,
    sentence_of,
    why_not_again,
    why_not_now,
)
from services.recovery.domain.drill.drill_recreation import sentence_of_recreation
from services.recovery.domain.drill.drill_work import DrillOperation
from services.recovery.domain.protection import Protection
from services.recovery.domain.scaling.scale_plan import Planned
from services.recovery.examine import DrillExaminer, ScalingExaminer

_PATH = "/drill/{cluster_name}/{service_name}"


class DrillRequest(Requested):
    plan: DrillPlan
    overrides: Annotated[tuple[Override, ...], Field(max_length=MOST_OVERRIDES)] = ()
    dry_run: bool = False


class DrillAccepted(Accepted):
    drill_id: str
    sentence: Prose


@dataclass(frozen=True, slots=True)
class DrillEndpoints:
    """Does the work of the routes."""

    asked: Asked
    policies: Policies
    examiner: DrillExaminer
    scaling: ScalingExaminer
    existing: Existing

    @property
    def operations(self) -> Operations:
        return self.asked.operations

    async def begin(
        self, target: Target, body: DrillRequest, key: str | None, response: Response
    ) -> DrillAccepted | dict[str, Any]:
        """Begin a drill; for a dry run, return what it would do. The job looks again before it does anything."""
        check_overrides("A drill", body.overrides, OVERRIDABLE)
        policy, now = self.policies.of(target), self.operations.now
        drill = _drill(body, policy, now, request_id(target, "drill", key))
        if (known := await self.asked.before(drill.drill_id, body, key)) is not None:
            return self._accepted(response, drill.drill_id, known.sentence or "It is under way.")
        await self.existing(target)
        protection = await self.asked.protection(target)
        obstacle = why_not_now(protection, policy, now, drill.overridden)
        sentence = "" if obstacle is not None else await self._looked(target, protection, drill, policy)
        if obstacle is not None:
            raise _problem(obstacle)
        if body.dry_run:
            return {"dry_run": True, "plan": drill.plan, "sentence": sentence}
        await self._begin(target, drill, body, policy, key)
        return self._accepted(response, drill.drill_id, sentence)

    async def _looked(self, target: Target, protection: Protection, drill: Drill, policy: ServicePolicy) -> str:
        """Return what the drill does. Raise ``Problem`` for what speaks against it."""
        if drill.plan == "scaling":
            planned = least_scaling(await self.scaling.examine(target, policy), protection, policy)
            if not isinstance(planned, Planned):
                raise Problem(409, "The plan is not tried", planned.sentence)
            return scaling_sentence_of(planned.plan)
        live = await self.examiner.live(target)
        if drill.plan == "recreate" and live is not None:
            return sentence_of_recreation(live.version)
        obstacle = why_not_again(live, policy, drill.overridden)
        if obstacle is not None or live is None:
            raise _problem(obstacle or Obstacle("the service is not there"))
        return sentence_of(live)

    def _accepted(self, response: Response, drill_id: str, sentence: str) -> DrillAccepted:
        accepted = self.operations.accepted(response, drill_id)
        return DrillAccepted(**accepted.model_dump(), drill_id=drill_id, sentence=sentence)

    async def _begin(
        self, target: Target, drill: Drill, body: DrillRequest, policy: ServicePolicy, key: str | None
    ) -> None:
        def decide(protection: Protection) -> Decision | Refused:
            if protection.drill is not None and protection.drill.drill_id == drill.drill_id:
                return BEGUN_BEFORE
            if obstacle := why_not_now(protection, policy, drill.asked_at, drill.overridden):
                return Refused(_problem(obstacle))
            return begin_drill(protection, target, drill)

        await self.asked.begin(target, drill.drill_id, body, key, decide)

    async def end(self, target: Target, body: Requested, response: Response) -> Accepted:
        """End the drill that is under way, and return its operation."""
        found, now = list[str](), self.operations.now

        def decide(protection: Protection) -> Decision | Refused:
            if protection.drill is None:
                return Refused(Problem(409, "There is no drill", f"No drill is under way on {target}."))
            found[:] = [protection.drill.drill_id]
            reason = f": {body.reason}" if body.reason else ""
            return stop_drill(protection, target, f"{body.actor} has ended it{reason}", now)

        await self.asked.apply(target, decide)
        return self.operations.accepted(response, found[0])

    async def show(self, target: Target) -> dict[str, Any]:
        """Return the drill that is under way, or None, and those that are over, the newest first."""
        protection = await self.asked.protection(target)
        drill = protection.drill
        if drill is None and not protection.past_drills:
            await self.existing(target)
        shown = DrillOperation.of(target, drill).model_dump(exclude={"target"}) if drill else None
        return {
            "target": str(target),
            "drill": shown | {"doing": drill.sentence} if drill and shown else None,
            "past": [past.model_dump() for past in reversed(protection.past_drills)],
        }


def _drill(body: DrillRequest, policy: ServicePolicy, now: datetime, id_: str) -> Drill:
    """Return the drill that a person asks for."""
    return Drill(
        drill_id=f"drill:{id_}",
        plan=body.plan,
        trigger=ManualTrigger(actor=body.actor, reason=body.reason),
        asked_at=now,
        until=now + LOOKS,
        minimum_health_score=policy.drills.minimum_health_score,
        overrides=body.overrides,
    )


def _problem(obstacle: Obstacle) -> Problem:
    return Problem(409, "The plan is not tried", obstacle.sentence)


def add_drill_routes(router: APIRouter, endpoints: DrillEndpoints, targets: Targets) -> None:
    """Add the routes of drills."""
    InPath = Annotated[Target, Depends(targets.in_path)]  # noqa: N806  a type
    NamedInPath = Annotated[Target, Depends(targets.named_in_path)]  # noqa: N806  a type

    @router.post(_PATH, **begins(DrillAccepted, "What it would do, for a dry run."))
    async def begin(
        asking: NowAsking,
        target: InPath,
        body: DrillRequest,
        response: Response,
        idempotency_key: IdempotencyKey = None,
    ) -> DrillAccepted | dict[str, Any]:
        """Try a recovery plan for real, within the hours of the policy, and time it; or say what that would do."""
        return await endpoints.begin(target, asking.by(body), idempotency_key, response)

    @router.post(f"{_PATH}/end", status_code=202, dependencies=[needs(Role.OPERATOR)])
    async def end(
        asking: NowAsking, target: NamedInPath, response: Response, request: Requested | None = None
    ) -> Accepted:
        """End the drill that is under way; what it has set begins to come back."""
        return await endpoints.end(target, asking.by(request or Requested()), response)

    @router.get(_PATH, dependencies=[needs(Role.VIEWER)])
    async def shown(target: NamedInPath) -> dict[str, Any]:
        """Show the drill that is under way, and what those have measured that are over."""
        return await endpoints.show(target)
