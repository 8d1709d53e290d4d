"""HTTP in, HTTP out: rollbacks by hand, and why recovery went back by itself, or did not."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from contracts.access import Role
from contracts.base import Target
from contracts.operations import Operation
from contracts.prose import prose
from contracts.recovery import ManualTrigger
from services._aws.existing import Existing
from services._chassis.access.permit import NowAsking, needs
from services._chassis.http import Problem
from services._chassis.operations import (
    IdempotencyKey,
    Operations,
    request_id,
)
from services._chassis.policies import Policies
from services._chassis.reasons import Impossible
from services._chassis.store import IndexedStore
from services._chassis.targets import Targets
from services._chassis.transition import Decision
from services.recovery.api.asked import BEGUN_BEFORE, Asked, Refused, begins
from services.recovery.api.bodies import RollbackAccepted, RollbackRequest, hold_after
from services.recovery.assess import Assess
from services.recovery.decisions.record import decision_key, decisions_index, read_decision
from services.recovery.decisions.triggers import begin_by_hand, refuse_by_hand, rollback_id
from services.recovery.domain.arm import why_not_roll_back
from services.recovery.domain.outside.answer import Why
from services.recovery.domain.outside.decision_record import MOST_KEPT
from services.recovery.domain.protection import Protection, RollingBack
from services.recovery.domain.readiness import WayBack, behind, safety_view, why_unsafe
from services.recovery.inspect import Inspect

LISTED_DECISIONS = 20
"""How many decisions are shown where nobody says how many."""


@dataclass(frozen=True, slots=True)
class RollbackEndpoints:
    """Does the work of the routes."""

    asked: Asked
    store: IndexedStore
    policies: Policies
    inspect: Inspect
    assess: Assess
    existing: Existing

    @property
    def operations(self) -> Operations:
        return self.asked.operations

    async def roll_back(
        self, target: Target, body: RollbackRequest, key: str | None, response: Response
    ) -> dict[str, Any]:
        """Begin to bring a snapshot back; for a dry run, return exactly what that would change."""
        deletion = (await self.existing(target)).being_deleted
        if deletion is not None:
            raise Problem(409, "The service is being deleted", f"A rollback is not possible: {deletion}.")
        name = rollback_id(request_id(target, "rollback", key))
        before = None if body.dry_run else await self.asked.before(name, body, key)
        if before is not None:
            return self._known(before, response).model_dump()
        snapshot_id = body.snapshot_id or await self._latest_proven(target)
        protection = await self.asked.protection(target)
        usable = await self.inspect.usable(target, snapshot_id, protection.snapshots)
        if usable is None:
            raise Problem(404, "No such snapshot", f"There is no snapshot {snapshot_id} of {target}.")
        if isinstance(usable, str):
            raise Problem(409, "The snapshot is not used", f"The snapshot {snapshot_id} is not used: {usable}.")
        safe = await self.assess.safety(target, usable.snapshot)
        way = behind(safe, protection.why_not_over_schema(usable.snapshot.taken_at))
        if body.dry_run:
            held = why_not_roll_back(protection, target, self.operations.now)
            return await self.inspect.plan(target, usable) | safety_view(way, held.summary if held else None)
        return (await self._begin(target, body, way, name, response, key)).model_dump()

    async def _latest_proven(self, target: Target) -> str:
        try:
            return await self.inspect.latest_proven(target)
        except Impossible as why:
            raise Problem(409, "There is nothing to go back to", str(why)) from None

    async def _begin(
        self, target: Target, body: RollbackRequest, way: WayBack, name: str, response: Response, key: str | None
    ) -> RollbackAccepted:
        now = self.operations.now
        rollback = RollingBack.begun(
            ManualTrigger(actor=body.actor, reason=body.reason),
            rollback_id=name,
            run_id=None,
            snapshot_id=way.entry.snapshot_id,
            started_at=now,
        ).model_copy(update={"safety": prose(way.sentence)})
        unsafe = None if body.force else why_unsafe(way)

        def decide(protection: Protection) -> Decision | Refused:
            if protection.rollback_named(name) is not None:
                return BEGUN_BEFORE
            if refusal := why_not_roll_back(protection, target, now) or unsafe:
                problem = Problem(
                    409, "The service is held" if unsafe is None else "The rollback is refused", refusal.summary
                )
                why = Why.NO_WAY_BACK if refusal is unsafe else Why.UNDER_WAY
                return Refused(problem, refuse_by_hand(protection, target, rollback, refusal, why))
            return begin_by_hand(protection, target, rollback)

        # a full Redis refuses no rollback
        begun = await self.asked.begin(target, name, body, key, decide, intake=False)
        before = None if begun.jobs else await self.asked.before(name, body, key)
        if before is not None:
            return self._known(before, response)
        return self._accepted(target, name, way.entry.snapshot_id, response)

    def _known(self, before: Operation, response: Response) -> RollbackAccepted:
        """Answer a request that came before as it was answered then."""
        chosen = str(before.model_dump().get("snapshot_id", ""))
        return self._accepted(before.target, before.operation_id, chosen, response)

    def _accepted(self, target: Target, name: str, snapshot_id: str, response: Response) -> RollbackAccepted:
        accepted, hold = self.operations.accepted(response, name).model_dump(), hold_after(target, self.policies)
        return RollbackAccepted(**accepted, rollback_id=name, snapshot_id=snapshot_id, hold=hold)

    async def decided(self, target: Target, limit: int) -> dict[str, Any]:
        """Return the last decisions about rollbacks and scalings, the newest first."""
        lines = await self.store.range(decisions_index(target), limit=limit)
        if not lines:
            await self.existing(target)
        records = [await self.store.record(decision_key(target, line.member)) for line in lines]
        found = [event for event in map(read_decision, records) if event is not None]
        return {"target": str(target), "decisions": [event.model_dump(exclude={"target"}) for event in found]}


def add_rollback_routes(router: APIRouter, endpoints: RollbackEndpoints, targets: Targets) -> None:
    """Add the routes of rollbacks."""
    NamedInPath = Annotated[Target, Depends(targets.named_in_path)]  # noqa: N806  a type

    @router.post(
        "/rollback/{cluster_name}/{service_name}", **begins(RollbackAccepted, "What it would change, for a dry run.")
    )
    async def roll_back(
        asking: NowAsking,
        target: NamedInPath,
        body: RollbackRequest,
        response: Response,
        idempotency_key: IdempotencyKey = None,
    ) -> dict[str, Any]:
        """Bring a snapshot back, or say exactly what that would change."""
        return await endpoints.roll_back(target, asking.by(body), idempotency_key, response)

    @router.get("/decisions/{cluster_name}/{service_name}", dependencies=[needs(Role.VIEWER)])
    async def decided(
        target: NamedInPath, limit: Annotated[int, Query(ge=1, le=MOST_KEPT)] = LISTED_DECISIONS
    ) -> dict[str, Any]:
        """Show why recovery rolled back or scaled, and why it did not, the newest first; each is kept for a month."""
        return await endpoints.decided(target, limit)
