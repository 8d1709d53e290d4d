"""HTTP in, HTTP out: what is held after rollbacks, and its release."""

from dataclasses import dataclass
from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from contracts.access import Role
from contracts.base import Target, id_of
from contracts.prose import Plain, Prose
from contracts.run_verbs import ReleaseAnswered
from contracts.state import read_record
from services._chassis.access.permit import NowAsking, needs
from services._chassis.clock import Clock
from services._chassis.http import Problem
from services._chassis.operations import IdempotencyKey, Requested, refuse_another, what_was_asked
from services._chassis.policies import Policies
from services._chassis.targets import Targets
from services.orchestrator.domain.course import Course, course_key
from services.orchestrator.domain.releases import ReleaseAsked
from services.orchestrator.domain.verbs import answer_key
from services.orchestrator.domain.version_hold import HoldView, views_of
from services.orchestrator.handlers import Handlers
from services.orchestrator.ports import Courses


class ReleaseBody(Requested):
    """Without ``hold_id`` all holds of the service are meant."""

    hold_id: Annotated[Plain, Field(max_length=512)] = ""


class Released(BaseModel):
    """What was held is held no more."""

    released: tuple[Plain, ...]
    """The ids of the holds that have ended."""
    answer: Prose


class HoldsShown(BaseModel):
    target: str
    holds: tuple[HoldView, ...]
    """The newest first."""


@dataclass(frozen=True, slots=True)
class HoldEndpoints:
    """Does the work of the routes."""

    courses: Courses
    clock: Clock
    policies: Policies
    handlers: Handlers

    async def release(self, target: Target, body: ReleaseBody, key: str | None) -> Released:
        """End holds. Raise ``Problem`` where there is none of them. The same key has the same answer."""
        name = id_of("release", f"surefoot/api/release/{target}", key or str(uuid4()))
        if await self._answer(name) is None:
            asked = ReleaseAsked(name, target, body.actor, body.reason, body.hold_id)
            transition = self.handlers.release(asked).and_record(what_was_asked(name, body, key))
            await self.courses.apply(transition, cause=f"api:{name}")
        await refuse_another(self.courses, name, body, key)
        answer = await self._answer(name)
        if answer is None or not answer.accepted:
            raise Problem(409, "There is nothing to release", answer.sentence if answer else "Ask again.")
        return Released(released=answer.released, answer=answer.sentence)

    async def show(self, target: Target) -> HoldsShown:
        course = await self.courses.read(course_key(target), Course)
        policy = self.policies.of(target).holds
        return HoldsShown(target=str(target), holds=views_of(course.version_holds, target, policy, self.clock.now()))

    async def _answer(self, name: str) -> ReleaseAnswered | None:
        return read_record(ReleaseAnswered, await self.courses.record(answer_key(name)))


def add_hold_routes(router: APIRouter, endpoints: HoldEndpoints, targets: Targets) -> None:
    """Add the routes about holds of versions."""
    NamedInPath = Annotated[Target, Depends(targets.named_in_path)]  # noqa: N806  a type

    @router.post("/release/{cluster_name}/{service_name}", dependencies=[needs(Role.APPROVER)])
    async def release(
        asking: NowAsking, target: NamedInPath, body: ReleaseBody, idempotency_key: IdempotencyKey = None
    ) -> Released:
        """End what is held after a rollback, so that it may be deployed again."""
        return await endpoints.release(target, asking.by(body), idempotency_key)

    @router.get("/holds/{cluster_name}/{service_name}", dependencies=[needs(Role.VIEWER)])
    async def holds(target: NamedInPath) -> HoldsShown:
        """Show what is held after rollbacks, the newest first, and how each hold ends."""
        return await endpoints.show(target)
