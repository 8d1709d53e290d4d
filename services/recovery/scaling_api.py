"""HTTP in, HTTP out: emergency scaling by hand. It answers 202 with its operation's URL."""

from dataclasses import dataclass, replace
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
from contracts.suggest import did_you_mean
from services._aws.existing import Existing
from services._chassis.access.permit import NowAsking, needs
from services._chassis.http import Problem
from services._chassis.operations import (
    Accepted,
    IdempotencyKey,
    Operations,
    Requested,
    find_operation,
    refuse_another,
    request_id,
    what_was_asked,
)
from services._chassis.policies import Policies
from services._chassis.store import Store
from services._chassis.targets import Targets
from services._chassis.transition import Decision, Transition
from services.recovery.decisions.drill import stop_drill
from services.recovery.decisions.scale import begin_scaling, refuse_by_hand, wanted_of, why_not_scale
from services.recovery.decisions.unscale import begin_restoring
from services.recovery.domain.outside.answer import Answer
from services.recovery.domain.protection import Protection, key_of
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

    store: Store
    policies: Policies
    examiner: ScalingExaminer
    existing: Existing
    operations: Operations

    async def scale(
        self, target: Target, body: ScaleRequest, key: str | None, response: Response
    ) -> ScaleAccepted | dict[str, Any]:
        """Begin to scale; for a dry run, return what that would set. The job looks again before it sets anything."""
        _check_overrides(body)
        scaling, policy = self._asked(target, body, key), self.policies.of(target)
        if (before := await self._came_before(scaling, body, key, response)) is not None:
            return before
        if not body.dry_run:
            await self._end_drill(target, body)
        protection = await self.store.read(key_of(target), Protection)
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
        drill = Transition(key_of(target), lambda state: stop_drill(Protection.from_bytes(state), target, why, now))
        await self.store.apply(drill, cause="")

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
        if key is None or (found := await find_operation(self.store, scaling.scaling_id)) is None:
            return None
        await refuse_another(self.store, scaling.scaling_id, body, key)
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
            transition = Transition(
                key_of(target), lambda state: refuse_by_hand(Protection.from_bytes(state), target, scaling, answer)
            )
            await self.store.apply(transition, cause="")
        return Problem(409, "The service is not scaled", answer.sentence)

    async def _begin(self, target: Target, scaling: EmergencyScaling, body: ScaleRequest, key: str | None) -> None:
        refused: list[Answer] = []

        def decide(state: bytes | None) -> Decision:
            refused.clear()
            protection = Protection.from_bytes(state)
            standing = protection.scaling
            if standing is not None and standing.scaling_id == scaling.scaling_id:
                return Decision()  # the same request came at the same time
            if answer := why_not_scale(protection, scaling.asked_at):
                refused.append(answer)
                return refuse_by_hand(protection, target, scaling, answer)
            begun = begin_scaling(protection, target, scaling)
            return replace(begun, records={**begun.records, **what_was_asked(scaling.scaling_id, body, key)})

        await self.store.apply(Transition(key_of(target), decide), cause="", intake=True)
        if refused:
            raise Problem(409, "The service is not scaled", refused[0].sentence)

    async def end(self, target: Target, body: Requested, response: Response) -> Accepted:
        """Begin to restore what stands; where that is under way, return its operation."""
        asked, found = ManualTrigger(actor=body.actor, reason=body.reason), list[str]()

        def decide(state: bytes | None) -> Decision:
            protection = Protection.from_bytes(state)
            found[:] = [protection.scaling.scaling_id] if protection.scaling else []
            return begin_restoring(protection, target, self.operations.now, asked)

        await self.store.apply(Transition(key_of(target), decide), cause="")
        if not found:
            raise Problem(409, "There is no scaling", f"No emergency scaling stands on {target}.")
        return self.operations.accepted(response, ScaleWork(target=target, scaling_id=found[0]).end_id)

    async def show(self, target: Target) -> dict[str, Any]:
        """Return the scaling that stands, or None, and those that are over, the newest first."""
        protection = await self.store.read(key_of(target), Protection)
        standing = protection.scaling
        if standing is None and not protection.past_scalings:
            await self.existing(target)
        kept = {"overrides", "limits_set", "count_set", "limits_restored", "count_restored", "called_at", "answered"}
        return {
            "target": str(target),
            "scaling": standing.model_dump(exclude=kept) if standing else None,
            "past": [past.model_dump() for past in reversed(protection.past_scalings)],
        }


def _check_overrides(body: ScaleRequest) -> None:
    for override in body.overrides:
        if override.gate not in OVERRIDABLE:
            guess = did_you_mean(override.gate, OVERRIDABLE) or "."
            known = f"Checks that can be overridden: {', '.join(OVERRIDABLE)}."
            why = f"A scaling has no check {override.gate[:100]!r}{guess} {known}"
            raise Problem(422, "No such check", why)


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

    @router.post(
        _PATH,
        response_model=None,
        responses={
            200: {"description": "What it would set, for a dry run."},
            202: {"model": ScaleAccepted, "description": "It has begun."},
        },
        dependencies=[needs(Role.OPERATOR)],
    )
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
