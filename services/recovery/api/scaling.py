"""HTTP in, HTTP out: emergency scaling by hand. It answers 202 with its operation's URL."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from contracts.access import Role
from contracts.base import Target
from contracts.bounds import MOST_OVERRIDES
from contracts.deployment import Override
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
from services.recovery.decisions.drill import stop_drill
from services.recovery.decisions.scale import begin_scaling, refuse_by_hand, wanted_of, why_not_scale
from services.recovery.decisions.unscale import begin_restoring
from services.recovery.domain.outside.answer import Answer
from services.recovery.domain.protection import Protection
from services.recovery.domain.scaling.scale_plan import OVERRIDABLE, Planned, plan_scaling
from services.recovery.domain.scaling.scale_work import ScaleWork, ScalingOperation
from services.recovery.domain.scaling.scaling import EmergencyScaling, WhyScale, not_scaled
from services.recovery.examine import ScalingExaminer

MOST_TASKS = 5000
"""The most tasks of one service (Amazon ECS service quotas)."""
_PATH = "/emergency-scale/{cluster_name}/{service_name}"


class ScaleRequest(Requested):
    """The body of the requirements (docs/requirements.md), with the person who asks."""

    target_count: Annotated[int, Field(ge=1, le=MOST_TASKS)]
    """The tasks that are wanted; beyond what is allowed, as many as are."""
    minutes: Annotated[float, Field(ge=1, le=1440)] | None = None
    """After so many what was there before comes back; by default what the policy says."""
    overrides: Annotated[tuple[Override, ...], Field(max_length=MOST_OVERRIDES)] = ()
    dry_run: bool = False


class ScaleAccepted(Accepted):
    scaling_id: str
    target_count: int | None
    """The tasks that are wanted from now on: fewer than were asked for, where ``sentence`` says so."""
    until: datetime
    sentence: Prose
    warnings: tuple[Prose, ...] = ()


@dataclass(frozen=True, slots=True)
class ScalingEndpoints:
    """Does the work of the routes."""

    asked: Asked
    policies: Policies
    examiner: ScalingExaminer
    existing: Existing

    @property
    def operations(self) -> Operations:
        return self.asked.operations

    async def scale(
        self, target: Target, body: ScaleRequest, key: str | None, response: Response
    ) -> ScaleAccepted | dict[str, Any]:
        """Begin to scale; for a dry run, return what that would set. The job looks again before it sets anything."""
        check_overrides("A scaling", body.overrides, OVERRIDABLE)
        scaling, policy = self._asked(target, body, key), self.policies.of(target)
        if (before := await self._came_before(scaling, body, key, response)) is not None:
            return before
        if not body.dry_run:
            await self._end_drill(target, body)
        protection = await self.asked.protection(target)
        planned = why_not_scale(protection, self.operations.now) or await self._plan(
            target, protection, scaling, policy
        )
        if not isinstance(planned, Planned):
            raise await self._refused(target, scaling, planned, record=not body.dry_run)
        if body.dry_run:
            return _shown(planned, scaling)
        await self._begin(target, scaling, body, key)
        accepted = self.operations.accepted(response, scaling.scaling_id)
        return ScaleAccepted(
            **accepted.model_dump(),
            scaling_id=scaling.scaling_id,
            target_count=planned.plan.raised.desired,
            until=scaling.until,
            sentence=planned.plan.sentence,
            warnings=planned.warnings,
        )

    async def _end_drill(self, target: Target, body: ScaleRequest) -> None:
        """End a drill: an emergency goes first."""
        now, why = self.operations.now, f"{body.actor} scales the service"
        await self.asked.apply(target, lambda protection: stop_drill(protection, target, why, now))

    def _asked(self, target: Target, body: ScaleRequest, key: str | None) -> EmergencyScaling:
        now = self.operations.now
        minutes = body.minutes or self.policies.of(target).recovery.scaling_minutes
        return EmergencyScaling(
            scaling_id=f"scaling:{request_id(target, 'scaling', key)}",
            trigger=ManualTrigger(actor=body.actor, reason=body.reason),
            target_count=body.target_count,
            asked_at=now,
            until=now + timedelta(minutes=minutes),
            overrides=body.overrides,
        )

    async def _came_before(
        self, scaling: EmergencyScaling, body: ScaleRequest, key: str | None, response: Response
    ) -> ScaleAccepted | None:
        """Return the answer to the first request with this key; None where there was none."""
        if (found := await self.asked.before(scaling.scaling_id, body, key)) is None:
            return None
        kept = ScalingOperation.model_validate(found.model_dump())
        return ScaleAccepted(
            **self.operations.accepted(response, kept.operation_id).model_dump(),
            scaling_id=kept.scaling_id,
            target_count=kept.target_count,
            until=kept.until,
            sentence=kept.sentence or "It is under way.",
        )

    async def _plan(
        self, target: Target, protection: Protection, scaling: EmergencyScaling, policy: ServicePolicy
    ) -> Planned | Answer:
        await self.existing(target)
        seen = await self.examiner.examine(target, policy)
        if seen is None:
            return not_scaled(WhyScale.GONE, "the service is not there")
        return plan_scaling(seen, wanted_of(protection, scaling), policy.recovery)

    async def _refused(self, target: Target, scaling: EmergencyScaling, answer: Answer, *, record: bool) -> Problem:
        if record:
            await self.asked.apply(target, lambda protection: refuse_by_hand(protection, target, scaling, answer))
        return _problem(answer)

    async def _begin(self, target: Target, scaling: EmergencyScaling, body: ScaleRequest, key: str | None) -> None:
        def decide(protection: Protection) -> Decision | Refused:
            standing = protection.scaling
            if standing is not None and standing.scaling_id == scaling.scaling_id:
                return BEGUN_BEFORE
            if answer := why_not_scale(protection, scaling.asked_at):
                return Refused(_problem(answer), refuse_by_hand(protection, target, scaling, answer))
            return begin_scaling(protection, target, scaling)

        await self.asked.begin(target, scaling.scaling_id, body, key, decide)

    async def end(self, target: Target, body: Requested, response: Response) -> Accepted:
        """Begin to restore what stands; where that is under way, return its operation."""
        asked, found = ManualTrigger(actor=body.actor, reason=body.reason), list[str]()

        def decide(protection: Protection) -> Decision | Refused:
            if protection.scaling is None:
                return Refused(Problem(409, "There is no scaling", f"No emergency scaling stands on {target}."))
            found[:] = [protection.scaling.scaling_id]
            return begin_restoring(protection, target, self.operations.now, asked)

        await self.asked.apply(target, decide)
        return self.operations.accepted(response, ScaleWork(target=target, scaling_id=found[0]).end_id)

    async def show(self, target: Target) -> dict[str, Any]:
        """Return the scaling that stands, or None, and those that are over, the newest first."""
        protection = await self.asked.protection(target)
        standing = protection.scaling
        if standing is None and not protection.past_scalings:
            await self.existing(target)
        kept = {"overrides", "limits_set", "count_set", "limits_restored", "count_restored", "called_at", "answered"}
        return {
            "target": str(target),
            "scaling": standing.model_dump(exclude=kept) if standing else None,
            "past": [past.model_dump() for past in reversed(protection.past_scalings)],
        }


def _problem(answer: Answer) -> Problem:
    return Problem(409, "The service is not scaled", answer.sentence)


def _shown(planned: Planned, scaling: EmergencyScaling) -> dict[str, Any]:
    plan = planned.plan
    return {
        "dry_run": True,
        "target_count": plan.raised.desired,
        "before": plan.before.model_dump(),
        "raised": plan.raised.model_dump(),
        "until": scaling.until,
        "sentence": plan.sentence,
        "warnings": planned.warnings,
    }


def add_scaling_routes(router: APIRouter, endpoints: ScalingEndpoints, targets: Targets) -> None:
    """Add the routes of emergency scaling."""
    InPath = Annotated[Target, Depends(targets.in_path)]  # noqa: N806  a type
    NamedInPath = Annotated[Target, Depends(targets.named_in_path)]  # noqa: N806  a type

    @router.post(_PATH, **begins(ScaleAccepted, "What it would set, for a dry run."))
    async def scale(
        asking: NowAsking,
        target: InPath,
        body: ScaleRequest,
        response: Response,
        idempotency_key: IdempotencyKey = None,
    ) -> ScaleAccepted | dict[str, Any]:
        """Run more tasks for a limited time, within the policy's bounds, or say what that would set."""
        return await endpoints.scale(target, asking.by(body), idempotency_key, response)

    @router.post(f"{_PATH}/end", status_code=202, dependencies=[needs(Role.OPERATOR)])
    async def end(
        asking: NowAsking, target: NamedInPath, response: Response, request: Requested | None = None
    ) -> Accepted:
        """End an emergency scaling before its time is over."""
        return await endpoints.end(target, asking.by(request or Requested()), response)

    @router.get(_PATH, dependencies=[needs(Role.VIEWER)])
    async def shown(target: NamedInPath) -> dict[str, Any]:
        """Show the emergency scaling that stands, and those that are over."""
        return await endpoints.show(target)
