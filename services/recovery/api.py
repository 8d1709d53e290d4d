"""HTTP in, HTTP out: snapshots and rollbacks by hand. What takes time answers 202 with its operation's URL."""

import asyncio
from dataclasses import dataclass
from typing import Any, Protocol

from fastapi import APIRouter, Depends, Response

from contracts.base import Name, Target
from contracts.recovery import ManualTrigger
from services._aws.existing import Existing
from services._chassis.clock import Clock
from services._chassis.http import Problem, only_here
from services._chassis.operations import (
    Accepted,
    IdempotencyKey,
    Operations,
    Requested,
    find_operation,
    request_id,
)
from services._chassis.store import Store
from services._chassis.transition import Decision, Transition
from services.recovery.decisions import CAPTURE, begin_rollback, capturing, rollback_id
from services.recovery.domain.arm import why_not_roll_back
from services.recovery.domain.protection import Protection, RollingBack, key_of
from services.recovery.domain.snapshot import Snapshot, SnapshotId, differences, new_id, scrub, view
from services.recovery.domain.work import CaptureWork
from services.recovery.ports import Ecs, Snapshots

ROOT = "/disaster-recovery"
LISTED = 20
"""Snapshots that are read for a list; there are ten at most, unless some are kept for a reason."""


class RollbackRequest(Requested):
    """The body of the requirements (docs/requirements.md), and who asks."""

    snapshot_id: SnapshotId
    dry_run: bool = False


class SnapshotAccepted(Accepted):
    snapshot_id: str


class RollbackAccepted(Accepted):
    rollback_id: str
    snapshot_id: str


class Targets(Protocol):
    """The settings, as far as the API needs them."""

    def target(self, cluster: str | None = None, service: str | None = None) -> Target: ...


@dataclass(frozen=True, slots=True)
class Api:
    targets: Targets
    store: Store
    ecs: Ecs
    snapshots: Snapshots
    clock: Clock
    existing: Existing

    @property
    def operations(self) -> Operations:
        return Operations(self.store, self.clock, ROOT)

    async def capture(
        self,
        cluster_name: Name,
        service_name: Name,
        response: Response,
        request: Requested | None = None,
        idempotency_key: IdempotencyKey = None,
    ) -> SnapshotAccepted:
        """Store what the service is now."""
        target = await self._existing(cluster_name, service_name)
        asked, id_ = request or Requested(), request_id(target, "snapshot", idempotency_key)
        work = CaptureWork(
            target=target,
            snapshot_id=new_id(self.operations.now, id_),
            run_id=None,
            purpose="asked",
            asked_at=self.operations.now,
            actor=asked.actor,
            reason=asked.reason,
        )
        kept = await self.operations.begin(capturing(id_, work), CAPTURE, work.to_bytes())
        accepted = self.operations.accepted(response, id_)
        return SnapshotAccepted(**accepted.model_dump(), snapshot_id=kept.snapshot_id)

    async def listed(self, cluster_name: Name, service_name: Name) -> dict[str, Any]:
        """The stored snapshots, the newest first, without their secrets."""
        target = self.targets.target(cluster_name, service_name)
        protection = Protection.from_bytes(await self.store.load(key_of(target)))
        proven = {one.snapshot_id for one in protection.snapshots if one.proven}
        ids = (await self.snapshots.ids(target))[:LISTED]
        if not ids:
            await self._existing(cluster_name, service_name)
        found = await asyncio.gather(*(self.snapshots.get(target, one) for one in ids))
        stored = [one for one in found if one is not None]
        return {
            "target": str(target),
            "snapshots": [view(one, proven=one.snapshot_id in proven) for one in stored],
        }

    async def roll_back(
        self,
        cluster_name: Name,
        service_name: Name,
        body: RollbackRequest,
        response: Response,
        idempotency_key: IdempotencyKey = None,
    ) -> dict[str, Any]:
        """Bring a snapshot back, or say exactly what that would change."""
        target = await self._deployable(cluster_name, service_name)
        snapshot = await self.snapshots.get(target, body.snapshot_id)
        if snapshot is None:
            raise Problem(404, "No such snapshot", f"There is no snapshot {body.snapshot_id} of {target}.")
        if body.dry_run:
            return await self._plan(target, snapshot)
        return (await self._begin(target, body, response, idempotency_key)).model_dump()

    async def _plan(self, target: Target, snapshot: Snapshot) -> dict[str, Any]:
        service = await self.ecs.service(target)
        definition = await self.ecs.task_definition(target, snapshot.version)
        active = definition is not None and definition.get("status") == "ACTIVE"
        changes = differences(snapshot, service or {}, snapshot.version)
        return {
            "dry_run": True,
            "target": str(target),
            "snapshot_id": snapshot.snapshot_id,
            "changes": [
                {"setting": name, "from": scrub(now, name), "to": scrub(then, name)}
                for name, (now, then) in changes.items()
            ],
            "task_definition": "used as it is, unless one of its tags names another image by now"
            if active
            else "registered again from the snapshot, with each image by its digest",
            "images": {one["name"]: one["image"] for one in snapshot.pinned_definition["containerDefinitions"]},
        }

    async def _begin(
        self, target: Target, body: RollbackRequest, response: Response, key: str | None
    ) -> RollbackAccepted:
        name, now = rollback_id(request_id(target, "rollback", key)), self.operations.now
        rollback = RollingBack.begun(
            ManualTrigger(actor=body.actor, reason=body.reason),
            rollback_id=name,
            run_id=None,
            snapshot_id=body.snapshot_id,
            started_at=now,
        )

        def decide(state: bytes | None) -> Decision:
            protection = Protection.from_bytes(state)
            if protection.rollback_named(name) is not None:
                return Decision()  # it was asked for before
            if refusal := why_not_roll_back(protection, now):
                raise Problem(409, "The service is held", refusal.summary)
            return begin_rollback(protection, target, rollback)

        written = await self.store.apply(Transition(key_of(target), decide), cause="")
        before = None if written.decision.jobs else await find_operation(self.store, name)
        chosen = before.model_dump().get("snapshot_id", body.snapshot_id) if before else body.snapshot_id
        accepted = self.operations.accepted(response, name)
        return RollbackAccepted(**accepted.model_dump(), rollback_id=name, snapshot_id=chosen)

    async def _existing(self, cluster: str, service: str) -> Target:
        target = self.targets.target(cluster, service)
        await self.existing(target)
        return target

    async def _deployable(self, cluster: str, service: str) -> Target:
        """Refuse what would have to be deployed to a service that is being deleted."""
        target = self.targets.target(cluster, service)
        deletion = (await self.existing(target)).being_deleted
        if deletion is not None:
            raise Problem(409, "The service is being deleted", f"A rollback is not possible: {deletion}.")
        return target


def create_router(api: Api) -> APIRouter:
    router = APIRouter(prefix=ROOT, tags=["disaster recovery"])
    here = [Depends(only_here(api.targets.target))]
    router.add_api_route(
        "/snapshot/{cluster_name}/{service_name}", api.capture, methods=["POST"], status_code=202, dependencies=here
    )
    router.add_api_route("/snapshots/{cluster_name}/{service_name}", api.listed, methods=["GET"], dependencies=here)
    router.add_api_route(
        "/rollback/{cluster_name}/{service_name}",
        api.roll_back,
        methods=["POST"],
        response_model=None,
        dependencies=here,
    )
    api.operations.add_to(router)
    return router
