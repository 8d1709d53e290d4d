"""All of recovery's routes."""

from dataclasses import dataclass

from fastapi import APIRouter

from services._chassis.targets import Targets
from services.recovery.api.drill import DrillEndpoints, add_drill_routes
from services.recovery.api.migration import MigrationEndpoints, add_migration_routes
from services.recovery.api.moves import MovesEndpoints, add_moves_routes
from services.recovery.api.recreation import RecreationEndpoints, add_recreation_routes
from services.recovery.api.rollback import RollbackEndpoints, add_rollback_routes
from services.recovery.api.scaling import ScalingEndpoints, add_scaling_routes
from services.recovery.api.snapshot import SnapshotEndpoints, add_snapshot_routes

PREFIX = "/disaster-recovery"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What does the work of the routes, by area."""

    snapshots: SnapshotEndpoints
    rollbacks: RollbackEndpoints
    scaling: ScalingEndpoints
    migration: MigrationEndpoints
    drill: DrillEndpoints
    recreation: RecreationEndpoints
    moves: MovesEndpoints


def create_router(endpoints: Endpoints, targets: Targets) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix=PREFIX, tags=["disaster recovery"])
    add_snapshot_routes(router, endpoints.snapshots, targets)
    add_rollback_routes(router, endpoints.rollbacks, targets)
    add_scaling_routes(router, endpoints.scaling, targets)
    add_migration_routes(router, endpoints.migration, targets)
    add_recreation_routes(router, endpoints.recreation, targets)
    add_drill_routes(router, endpoints.drill, targets)
    add_moves_routes(router, endpoints.moves, targets)
    endpoints.snapshots.operations.add_to(router)
    return router
