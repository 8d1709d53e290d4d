"""HTTP in, HTTP out: snapshots and rollbacks by hand. What takes time answers 202 with its operation's URL."""

import asyncio
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, Protocol

from fastapi import APIRouter, Header, Path, Response
from pydantic import BaseModel, ConfigDict

from contracts.base import Name, Target, caused_id
from contracts.deployment import Rollback
from contracts.recovery import ManualTrigger
from services._chassis.clock import Clock, moment
from services._chassis.http import PREFIX, Problem
from services._chassis.store import Store
from services._chassis.transition import Decision, Transition
from services.recovery.decisions import begin_capture, begin_rollback, rollback_id
from services.recovery.domain.protection import Protection, RollingBack, key_of
from services.recovery.domain.snapshot import Snapshot, SnapshotId, differences, scrub, view
from services.recovery.domain.work import Operation, operation_key
from services.recovery.ports import CallFailed, Ecs, Snapshots

ROOT = "/disaster-recovery"
LISTED = 20
"""Snapshots that are read for a list; there are ten at most, unless some are kept for a reason."""

IdempotencyKey = Annotated[str | None, Header(max_length=255)]
OperationId = Annotated[str, Path(pattern=r"^[A-Za-z0-9:._-]{1,200}$")]


class RollbackRequest(BaseModel):
    """The guide's body."""

    model_config = ConfigDict(extra="forbid")

    snapshot_id: SnapshotId
    dry_run: bool = False


class Accepted(BaseModel):
    operation_id: str
    url: str
    """Where to ask for its state."""


class SnapshotAccepted(Accepted):
    snapshot_id: str


class RollbackAccepted(Accepted):
    rollback_id: str
    snapshot_id: str


class OperationView(BaseModel):
    id: str
    kind: Literal["snapshot", "rollback"]
    target: str
    state: Literal["running", "finished"]
    started_at: datetime
    finished_at: datetime | None
    snapshot_id: str
    result: Literal["stored", "restored", "superseded", "failed"] | None
    detail: str
    rollback: Rollback | None


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

    async def capture(
        self,
        cluster_name: Name,
        service_name: Name,
        response: Response,
        idempotency_key: IdempotencyKey = None,
    ) -> SnapshotAccepted:
        """Store what the service is now."""
        target = await self._existing(cluster_name, service_name)
        job = _request_id(target, "snapshot", idempotency_key)
        known = await self.store.record(operation_key(job))
        if known is None:
            transition = begin_capture(target, job, None, "asked", moment(self.clock.now()))
            await self.store.apply(transition, cause=f"api:{job}")
            known = await self.store.record(operation_key(job))
        response.headers["location"] = _url(job)
        snapshot_id = Operation.model_validate_json(known or b"").snapshot_id
        return SnapshotAccepted(operation_id=job, url=_url(job), snapshot_id=snapshot_id)

    async def listed(self, cluster_name: Name, service_name: Name) -> dict[str, Any]:
        """The stored snapshots, the newest first, without their secrets."""
        target = self.targets.target(cluster_name, service_name)
        protection = Protection.from_bytes(await self.store.load(key_of(target)))
        proven = {one.snapshot_id for one in protection.snapshots if one.proven}
        with _reading():
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
        target = await self._existing(cluster_name, service_name)
        with _reading():
            snapshot = await self.snapshots.get(target, body.snapshot_id)
        if snapshot is None:
            raise Problem(404, "No such snapshot", f"There is no snapshot {body.snapshot_id} of {target}.")
        if body.dry_run:
            return await self._plan(target, snapshot)
        accepted = await self._begin(target, snapshot, idempotency_key)
        response.status_code, response.headers["location"] = 202, accepted.url
        return accepted.model_dump()

    async def operation(self, operation_id: OperationId) -> OperationView:
        """How far it is, and what came of it."""
        record = await self.store.record(operation_key(operation_id))
        if record is None:
            raise Problem(404, "No such operation", f"There is no operation {operation_id}.")
        found = Operation.model_validate_json(record)
        return OperationView.model_validate({**found.model_dump(), "target": str(found.target)})

    async def _plan(self, target: Target, snapshot: Snapshot) -> dict[str, Any]:
        with _reading():
            service = await self.ecs.service(target)
            definition = await self.ecs.task_definition(snapshot.version)
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

    async def _begin(self, target: Target, snapshot: Snapshot, idempotency_key: str | None) -> RollbackAccepted:
        name = rollback_id(_request_id(target, "rollback", idempotency_key))
        now = moment(self.clock.now())
        rollback = RollingBack.begun(
            ManualTrigger(),
            rollback_id=name,
            run_id=None,
            snapshot_id=snapshot.snapshot_id,
            started_at=now,
        )

        def decide(state: bytes | None) -> Decision:
            protection = Protection.from_bytes(state)
            if protection.rollback_named(name) is not None or _obstacle(protection, now) is not None:
                return Decision()
            return begin_rollback(protection, target, rollback)

        await self.store.apply(Transition(key_of(target), decide), cause="")
        protection = Protection.from_bytes(await self.store.load(key_of(target)))
        begun = protection.rollback_named(name)
        if begun is None:
            why = _obstacle(protection, now) or "Another rollback has just ended; look at it first."
            raise Problem(409, "The service is held", why)
        chosen = begun.snapshot_id if isinstance(begun, RollingBack) else begun.rollback.snapshot_id
        return RollbackAccepted(operation_id=name, url=_url(name), rollback_id=name, snapshot_id=chosen)

    async def _existing(self, cluster: str, service: str) -> Target:
        target = self.targets.target(cluster, service)
        with _reading():
            found = await self.ecs.service(target)
        if found is None:
            raise Problem(404, "No such service", f"ECS knows no service {service} in the cluster {cluster}.")
        return target


class _reading:  # noqa: N801  it reads as a verb
    """AWS's refusal becomes a problem of ours: 502, with the sentence that the adapter made."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, CallFailed):
            raise Problem(502, "AWS did not answer as it should", str(error)) from error


def _obstacle(protection: Protection, now: datetime) -> str | None:
    """Why a rollback by hand has to wait: it would undo what somebody is judging right now."""
    if protection.rollback is not None:
        return f"{protection.rollback.rollback_id} is under way on this service."
    held = protection.arm
    if held is not None and held.active(now):
        return f"Run {held.run_id} is armed on this service until {held.expires_at:%H:%M:%S} UTC; abort it instead."
    return None


def _request_id(target: Target, what: str, key: str | None) -> str:
    """The same ``Idempotency-Key`` is the same request."""
    return caused_id(f"{target}:{key}", f"api-{what}") if key else str(uuid.uuid4())


def _url(operation_id: str) -> str:
    return f"{PREFIX}{ROOT}/operations/{operation_id}"


def create_router(api: Api) -> APIRouter:
    router = APIRouter(prefix=ROOT, tags=["disaster recovery"])
    router.add_api_route("/snapshot/{cluster_name}/{service_name}", api.capture, methods=["POST"], status_code=202)
    router.add_api_route("/snapshots/{cluster_name}/{service_name}", api.listed, methods=["GET"])
    router.add_api_route(
        "/rollback/{cluster_name}/{service_name}", api.roll_back, methods=["POST"], response_model=None
    )
    router.add_api_route("/operations/{operation_id}", api.operation, methods=["GET"])
    return router
