"""What goes before a scaling: whoever changes the service as a whole."""

from datetime import datetime

from services._aws.ecs_views import EcsService
from services.recovery.domain.protection import Protection


def waits_for(protection: Protection, service: EcsService, now: datetime) -> str:
    """Return what a change of the count has to wait for, as a clause; empty where nothing."""
    if protection.rollback is not None:
        return protection.rollback.rollback_id
    if protection.arm is not None and protection.arm.active(now):
        return f"run {protection.arm.run_id}"
    return "the deployment that is under way" if service.rolling_out else ""
