"""HTTP in, HTTP out: snapshots, what differs from them, and whether one can go back to them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query, Response

from contracts.access import Role
from contracts.base import Target
from contracts.policy_parts import RecoveryPolicy
from services._aws.existing import Existing
from services._chassis.access.permit import NowAsking, needs
from services._chassis.http import Problem
from services._chassis.operations import (
    IdempotencyKey,
    Operations,
    Requested,
    request_id,
)
from services._chassis.policies import Policies
from services._chassis.reasons import Impossible
from services._chassis.shared_reads import SharedReads
from services._chassis.targets import Targets
from services.recovery.api.bodies import SnapshotAccepted
from services.recovery.assess import Assess
from services.recovery.decisions.capture import CAPTURE
from services.recovery.decisions.watch import Watched, watched_key
from services.recovery.domain.readiness import Readiness
from services.recovery.domain.readiness import view as readiness_view
from services.recovery.domain.snapshots.drift import Drift
from services.recovery.domain.snapshots.drift import view as drift_view
from services.recovery.domain.snapshots.snapshot import SnapshotId, new_id
from services.recovery.domain.work import CaptureWork, RecoveryOperation
from services.recovery.inspect import Inspect

MOST_LISTS = 4
"""How many lists of snapshots are read from S3 at a time."""


@dataclass(frozen=True, slots=True)
class SnapshotEndpoints:
    """Does the work of the routes."""

    operations: Operations
    policies: Policies
    inspect: Inspect
    assess: Assess
    existing: Existing
    lists: SharedReads[bytes] = field(default_factory=lambda: SharedReads("lists of snapshots", MOST_LISTS))
    readiness: SharedReads[Readiness | None] = field(default_factory=lambda: SharedReads("services", MOST_LISTS))
    drifts: SharedReads[Drift] = field(default_factory=lambda: SharedReads("services", MOST_LISTS))

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
        watched = await self.assess.store.read(watched_key(target), Watched)
        seen = watched.elsewhere_seen
        elsewhere = seen.model_dump(exclude={"place"}) if seen is not None else None
        return {**readiness_view(str(target), found, self.operations.now), "elsewhere": elsewhere}


def add_snapshot_routes(router: APIRouter, endpoints: SnapshotEndpoints, targets: Targets) -> None:
    """Add the routes of snapshots."""
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
