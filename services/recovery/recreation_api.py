"""HTTP in, HTTP out: what of a service is missing, and what would be made again from a snapshot."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import Field

from contracts.access import Role
from contracts.base import Target
from services._chassis.access.permit import NowAsking, needs
from services._chassis.http import Problem
from services._chassis.operations import Requested
from services._chassis.reasons import Impossible
from services._chassis.targets import Targets
from services.recovery.domain.recreate_plan import RecreationPlan
from services.recovery.domain.snapshot import Snapshot, SnapshotId
from services.recovery.recreate import Recreate
from services.recovery.scaling_api import MOST_TASKS

_PATH = "/recreate/{cluster_name}/{service_name}"


class RecreateRequest(Requested):
    """From what a service is to be made again."""

    snapshot_id: SnapshotId | None = None
    """Which snapshot; None: the newest proven one, or the newest where none is proven."""
    count: Annotated[int, Field(ge=0, le=MOST_TASKS)] | None = None
    """The tasks that are wanted; by default as many as when the snapshot was taken."""


@dataclass(frozen=True, slots=True)
class RecreationEndpoints:
    """Does the work of the routes."""

    recreate: Recreate

    async def plan(self, target: Target, body: RecreateRequest) -> dict[str, Any]:
        try:
            snapshot = await self.recreate.snapshot(target, body.snapshot_id)
        except Impossible as why:
            raise Problem(409, "There is nothing to make it again from", str(why)) from None
        return shown(snapshot, await self.recreate.plan(snapshot, body.count))


def shown(snapshot: Snapshot, plan: RecreationPlan) -> dict[str, Any]:
    """Return what the API shows of a plan: names and sentences, so that no secret is shown by accident."""
    return {
        "target": str(snapshot.target),
        "snapshot_id": snapshot.snapshot_id,
        "taken_at": snapshot.taken_at,
        "plan": plan.digest,
        "possible": not plan.blocked and bool(plan.makes),
        "sentence": plan.sentence,
        "desired_count": plan.tasks,
        "parts": [
            {
                "kind": line.part.kind,
                "name": line.part.name,
                "state": line.state,
                "made": line.made,
                "sentence": line.sentence,
            }
            for line in plan.lines
        ],
        "blocked": plan.blocked,
        "warnings": plan.warnings,
        "by_hand": plan.by_hand,
    }


def add_recreation_routes(router: APIRouter, endpoints: RecreationEndpoints, targets: Targets) -> None:
    """Add the routes of making a service again."""
    InPath = Annotated[Target, Depends(targets.in_path)]  # noqa: N806  a type

    @router.post(_PATH, dependencies=[needs(Role.OPERATOR)])
    async def plan(asking: NowAsking, target: InPath, request: RecreateRequest | None = None) -> dict[str, Any]:
        """Show what of a service is there, what is missing, and what would be made again. Nothing is changed."""
        return await endpoints.plan(target, asking.by(request or RecreateRequest()))
