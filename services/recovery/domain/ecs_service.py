"""Reads an ECS service's description: its primary deployment, and whether ECS rolls it back."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal


def primary_of(service: Mapping[str, Any]) -> dict[str, Any]:
    """Return the deployment that ECS works towards. Raise ``LookupError`` where the controller is not ECS's own."""
    for deployment in service.get("deployments", ()):
        if deployment["status"] == "PRIMARY":
            return dict(deployment)
    raise LookupError("the service has no primary deployment")


def ecs_does(
    service: Mapping[str, Any], deployments: Sequence[Mapping[str, Any]]
) -> Literal["idle", "rolling-back", "rolled-back"]:
    """Return what ECS does by itself, from the service and its service deployments since we armed, the newest first.

    A circuit breaker or alarm that is TRIGGERED, and a primary deployment that FAILED, precede ECS's own rollback by
    some seconds; until then the status does not show it.
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
