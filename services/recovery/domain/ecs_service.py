"""What an ECS service says of itself: its primary deployment, and whether ECS rolls it back."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal


def primary_of(service: Mapping[str, Any]) -> dict[str, Any]:
    """The deployment that ECS is after. Raise ``LookupError`` where the controller is not ECS's own."""
    for deployment in service.get("deployments", ()):
        if deployment["status"] == "PRIMARY":
            return dict(deployment)
    raise LookupError("the service has no primary deployment")


def ecs_does(
    service: Mapping[str, Any], deployments: Sequence[Mapping[str, Any]]
) -> Literal["idle", "rolling-back", "rolled-back"]:
    """What ECS does by itself, from the service and its service deployments since we armed, the newest first.

    Its breaker or an alarm that has tripped, and a primary deployment that FAILED, announce a rollback
    some seconds before the status says so.
    """
    if not deployments:
        return "idle"
    newest = deployments[0]
    status = newest["status"]
    if status in {"ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS"}:
        return "rolling-back"
    if status == "ROLLBACK_SUCCESSFUL":
        return "rolled-back"
    if status in {"PENDING", "IN_PROGRESS"}:
        wanted = service.get("deploymentConfiguration", {})
        for guard in ("deploymentCircuitBreaker", "alarms"):
            policy = wanted.get(guard, {})
            tripped = newest.get(guard, {}).get("status") == "TRIGGERED"
            failed = primary_of(service).get("rolloutState") == "FAILED"
            if policy.get("enable") and policy.get("rollback") and (tripped or failed):
                return "rolling-back"
    return "idle"
