"""HTTP in, HTTP out: snapshots and rollbacks by hand. Work that takes time answers 202 with its operation's URL."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query, Response

from contracts.access import Role
from contracts.base import Target
from contracts.operations import Operation
from contracts.policy_parts import RecoveryPolicy
from contracts.prose import prose
from contracts.recovery import ManualTrigger
from services._aws.existing import Existing
from services._chassis.access.permit import NowAsking, needs
from services._chassis.clock import Clock
from services._chassis.http import Problem
from services._chassis.operations import (
    IdempotencyKey,
    Operations,
    Requested,
    find_operation,
    refuse_another,
    request_id,
    what_was_asked,
)
from services._chassis.policies import Policies
from services._chassis.reasons import Impossible
from services._chassis.shared_reads import SharedReads
from services._chassis.store import IndexedStore
from services._chassis.targets import Targets
from services._chassis.transition import Decision, Transition
from services.recovery.assess import Assess
from services.recovery.bodies import RollbackAccepted, RollbackRequest, SnapshotAccepted, hold_after
from services.recovery.decisions.capture import CAPTURE
from services.recovery.decisions.record import decision_key, decisions_index, read_decision
from services.recovery.decisions.triggers import begin_by_hand, refuse_by_hand, rollback_id
from services.recovery.domain.arm import why_not_roll_back
from services.recovery.domain.outside.answer import Why
from services.recovery.domain.outside.decision_record import MOST_KEPT
from services.recovery.domain.protection import Protection, RollingBack, key_of
from services.recovery.domain.readiness import Readiness, WayBack, behind, safety_view, why_unsafe
from services.recovery.domain.readiness import view as readiness_view
from services.recovery.domain.snapshots.drift import Drift
from services.recovery.domain.snapshots.drift import view as drift_view
from services.recovery.domain.snapshots.snapshot import SnapshotId, new_id
from services.recovery.domain.work import CaptureWork, RecoveryOperation
from services.recovery.examine import ScalingExaminer
from services.recovery.inspect import Inspect
from services.recovery.scaling_api import ScalingEndpoints, add_scaling_routes

PREFIX = "/disaster-recovery"
MOST_LISTS = 4
"""How many lists of snapshots are read from S3 at a time."""
LISTED_DECISIONS = 20
"""How many decisions are shown where nobody says how many."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Does the work of the routes."""

    store: IndexedStore
    clock: Clock
    policies: Policies
    inspect: Inspect
    assess: Assess
    existing: Existing
    examiner: ScalingExaminer
    lists: SharedReads[bytes] = field(default_factory=lambda: SharedReads("lists of snapshots", MOST_LISTS))
    readiness: SharedReads[Readiness | None] = field(default_factory=lambda: SharedReads("services", MOST_LISTS))
    drifts: SharedReads[Drift] = field(default_factory=lambda: SharedReads("services", MOST_LISTS))

    @property
    def operations(self) -> Operations:
        return Operations(self.store, self.clock, PREFIX)

    @property
    def scaling(self) -> ScalingEndpoints:
        return ScalingEndpoints(self.store, self.policies, self.examiner, self.existing, self.operations)

    async def capture(self, target: Target, body: Requested, key: str | None, response: Response) -> SnapshotAccepted:
        """Begin to store the service as it is now. The policy in force says how many snapshots are kept."""
        await self.existing(target)
        id_ = request_id(target, "snapshot", key)
        work = CaptureWork(
            target=target,
            snapshot_id=new_id(self.operations.now, id_),
            run_id=None,
            purpose="asked",
            asked_at=self.operations.now,
            actor=body.actor,
            reason=body.reason,
            policy=self.policies.of(target).part(RecoveryPolicy),
        )
        operation = RecoveryOperation.of_capture(id_, work)
        kept = await self.operations.begin(operation, CAPTURE, body, key, work.to_bytes())
        accepted = self.operations.accepted(response, id_)
        return SnapshotAccepted(**accepted.model_dump(), snapshot_id=kept.snapshot_id)

    async def listed(self, target: Target) -> bytes:
        """Return the stored snapshots as JSON, the newest first, without their secrets.

        It is written once for all who wait for it.
        """
        return await self.lists.read(target, lambda: self._listed(target))

    async def _listed(self, target: Target) -> bytes:
        ids = await self.inspect.snapshots.ids(target)
        if not ids:
            await self.existing(target)
        return orjson.dumps(await self.inspect.listed(target, ids), option=orjson.OPT_UTC_Z)

    async def compared(self, target: Target, before: str, after: str) -> dict[str, Any]:
        """Return what differs from one snapshot to the other, in sentences."""
        try:
            found = await self.inspect.compared(target, before, after)
        except Impossible as why:
            await self.existing(target)
            raise Problem(404, "The snapshots are not compared", str(why)) from None
        return {"target": str(target), "from": before, "to": after, **found._asdict()}

    async def drift(self, target: Target) -> Mapping[str, Any]:
        """Return how the live service differs from its last good snapshot. It is looked at once for all who wait."""
        await self.existing(target)
        return drift_view(
            str(target), await self.drifts.read(target, lambda: self.inspect.drift(target)), self.operations.now
        )

    async def ready(self, target: Target) -> Mapping[str, Any]:
        """Return to which snapshots one can go back, and by which plans. It is looked at once for all who wait."""
        await self.existing(target)
        found = await self.readiness.read(target, lambda: self.assess.readiness(target))
        if found is None:
            raise Problem(404, "No such service", f"There is no service {target.service} any more.")
        return readiness_view(str(target), found, self.operations.now)

    async def decided(self, target: Target, limit: int) -> dict[str, Any]:
        """Return the last decisions about rollbacks and scalings, the newest first."""
        lines = await self.store.range(decisions_index(target), limit=limit)
        if not lines:
            await self.existing(target)
        records = [await self.store.record(decision_key(target, line.member)) for line in lines]
        found = [event for event in map(read_decision, records) if event is not None]
        return {"target": str(target), "decisions": [event.model_dump(exclude={"target"}) for event in found]}

    async def roll_back(
        self, target: Target, body: RollbackRequest, key: str | None, response: Response
    ) -> dict[str, Any]:
        """Begin to bring a snapshot back; for a dry run, return exactly what that would change."""
        deletion = (await self.existing(target)).being_deleted
        if deletion is not None:
            raise Problem(409, "The service is being deleted", f"A rollback is not possible: {deletion}.")
        name = rollback_id(request_id(target, "rollback", key))
        before = None if body.dry_run else await find_operation(self.store, name)
        if before is not None:
            return (await self._known(before, body, key, response)).model_dump()
        snapshot_id = body.snapshot_id or await self._latest_proven(target)
        protection = await self.store.read(key_of(target), Protection)
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
        refused: list[str] = []

        def decide(state: bytes | None) -> Decision:
            refused.clear()
            protection = Protection.from_bytes(state)
            if protection.rollback_named(name) is not None:
                return Decision()  # the same request came before
            if refusal := why_not_roll_back(protection, target, now) or unsafe:
                refused.append(refusal.summary)
                why = Why.NO_WAY_BACK if refusal is unsafe else Why.UNDER_WAY
                return refuse_by_hand(protection, target, rollback, refusal, why)
            begun = begin_by_hand(protection, target, rollback)
            return replace(begun, records={**begun.records, **what_was_asked(name, body, key)})

        written = await self.store.apply(Transition(key_of(target), decide), cause="")
        if refused:
            raise Problem(409, "The service is held" if unsafe is None else "The rollback is refused", refused[0])
        before = None if written.decision.jobs else await find_operation(self.store, name)
        if before is not None:
            return await self._known(before, body, key, response)
        return self._accepted(target, name, way.entry.snapshot_id, response)

    async def _known(
        self, before: Operation, body: RollbackRequest, key: str | None, response: Response
    ) -> RollbackAccepted:
        """Answer a request that came before as it was answered then. Raise ``Problem`` for another body."""
        name = before.operation_id
        await refuse_another(self.store, name, body, key)
        chosen = str(before.model_dump().get("snapshot_id", body.snapshot_id))
        return self._accepted(before.target, name, chosen, response)

    def _accepted(self, target: Target, name: str, snapshot_id: str, response: Response) -> RollbackAccepted:
        accepted, hold = self.operations.accepted(response, name).model_dump(), hold_after(target, self.policies)
        return RollbackAccepted(**accepted, rollback_id=name, snapshot_id=snapshot_id, hold=hold)


def create_router(endpoints: Endpoints, targets: Targets) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix=PREFIX, tags=["disaster recovery"])

    InPath = Annotated[Target, Depends(targets.in_path)]  # noqa: N806  a type
    NamedInPath = Annotated[Target, Depends(targets.named_in_path)]  # noqa: N806  a type

    @router.post("/snapshot/{cluster_name}/{service_name}", status_code=202, dependencies=[needs(Role.DEPLOYER)])
    async def capture(
        asking: NowAsking,
        target: InPath,
        response: Response,
        request: Requested | None = None,
        idempotency_key: IdempotencyKey = None,
    ) -> SnapshotAccepted:
        """Store the service as it is now."""
        return await endpoints.capture(target, asking.by(request or Requested()), idempotency_key, response)

    @router.get(
        "/snapshots/{cluster_name}/{service_name}",
        response_model=dict[str, Any],
        dependencies=[needs(Role.VIEWER)],
    )
    async def listed(target: NamedInPath) -> Response:
        """List the stored snapshots, the newest first, without their secrets."""
        return Response(await endpoints.listed(target), media_type="application/json")

    @router.get("/snapshots/{cluster_name}/{service_name}/diff", dependencies=[needs(Role.VIEWER)])
    async def compared(
        target: NamedInPath, before: Annotated[SnapshotId, Query(alias="from")], to: SnapshotId
    ) -> dict[str, Any]:
        """Show what differs from one snapshot to another, in sentences without secrets."""
        return await endpoints.compared(target, before, to)

    @router.get("/drift/{cluster_name}/{service_name}", dependencies=[needs(Role.VIEWER)])
    async def drift(target: NamedInPath) -> Mapping[str, Any]:
        """Show how the live service differs from its last good snapshot, in sentences without secrets."""
        return await endpoints.drift(target)

    @router.get("/readiness/{cluster_name}/{service_name}", dependencies=[needs(Role.VIEWER)])
    async def ready(target: NamedInPath) -> Mapping[str, Any]:
        """Show for each snapshot whether one can go back to it, or why not, and each recovery plan with its times."""
        return await endpoints.ready(target)

    @router.get("/decisions/{cluster_name}/{service_name}", dependencies=[needs(Role.VIEWER)])
    async def decided(
        target: NamedInPath, limit: Annotated[int, Query(ge=1, le=MOST_KEPT)] = LISTED_DECISIONS
    ) -> dict[str, Any]:
        """Show why recovery rolled back or scaled, and why it did not, the newest first; each is kept for a month."""
        return await endpoints.decided(target, limit)

    @router.post(
        "/rollback/{cluster_name}/{service_name}",
        response_model=None,
        responses={
            200: {"description": "What it would change, for a dry run."},
            202: {"model": RollbackAccepted, "description": "It has begun."},
        },
        dependencies=[needs(Role.OPERATOR)],
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

    add_scaling_routes(router, endpoints.scaling, targets)
    endpoints.operations.add_to(router)
    return router
