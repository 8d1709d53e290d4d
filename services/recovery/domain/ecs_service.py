"""Reads an ECS service's description: its primary deployment, and whether ECS rolls it back."""

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any, Literal

from contracts.base import Contract

EcsAct = Literal["idle", "rolling-back", "rolled-back"]


class Baseline(Contract):
    """The deployment from which on others count, in AWS's own ids and by AWS's own clock: ours may differ from it."""

    deployment_id: str = ""
    """The id of the primary deployment; empty where ECS listed none."""
    service_deployment: str | None = None
    """Its ARN; None where ECS does not say it, and where it was still under way: then it counts itself."""
    created_at: float | None = None
    """When ECS began it, in epoch seconds by AWS's clock."""


def primary_of(service: Mapping[str, Any]) -> dict[str, Any]:
    """Return the deployment that ECS works towards. Raise ``LookupError`` where the controller is not ECS's own."""
    primary = _listed_primary(service)
    if primary is None:
        raise LookupError("the service has no primary deployment")
    return primary


def live_deployment(service: Mapping[str, Any]) -> dict[str, Any]:
    """Return the primary deployment; where ECS lists none, what it says of the service stands for it."""
    listed = _listed_primary(service) or {}
    return {"id": "", "taskDefinition": service.get("taskDefinition", ""), **listed}


def _listed_primary(service: Mapping[str, Any]) -> dict[str, Any] | None:
    deployments = service.get("deployments") or ()
    return next((dict(deployment) for deployment in deployments if deployment.get("status") == "PRIMARY"), None)


def ecs_does(service: Mapping[str, Any], deployments: Sequence[Mapping[str, Any]] | None, baseline: Baseline) -> EcsAct:
    """Return what ECS does by itself, from the service and its service deployments, the newest first.

    A circuit breaker or alarm that is TRIGGERED, and a primary deployment that FAILED, precede ECS's own rollback by
    some seconds; until then the status does not show it. Where the service deployments could not be read (None), the
    service's own events say whether its primary deployment is a rollback.
    """
    if deployments is None:
        return _by_the_service_alone(service)
    later = list(takewhile(lambda found: _began_after(found, baseline), deployments))
    if not later:
        return "idle"
    newest = later[0]
    status = newest.get("status")
    if status in {"ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS"}:
        return "rolling-back"
    if status == "ROLLBACK_SUCCESSFUL":
        return "rolled-back"
    if status in {"PENDING", "IN_PROGRESS"} and _will_roll_back(service, newest):
        return "rolling-back"
    return "idle"


def _began_after(deployment: Mapping[str, Any], baseline: Baseline) -> bool:
    return baseline.service_deployment is None or deployment.get("serviceDeploymentArn") != baseline.service_deployment


def _by_the_service_alone(service: Mapping[str, Any]) -> EcsAct:
    live = live_deployment(service)
    sentence = f"rolling back to deployment {live['id']}"
    if live["id"] and any(sentence in str(event.get("message", "")) for event in service.get("events") or ()):
        return "rolled-back" if live.get("rolloutState") == "COMPLETED" else "rolling-back"
    return "rolling-back" if _will_roll_back(service, {}) else "idle"


def _will_roll_back(service: Mapping[str, Any], deployment: Mapping[str, Any]) -> bool:
    wanted = service.get("deploymentConfiguration") or {}
    failed = live_deployment(service).get("rolloutState") == "FAILED"
    for guard in ("deploymentCircuitBreaker", "alarms"):
        policy = wanted.get(guard) or {}
        tripped = (deployment.get(guard) or {}).get("status") == "TRIGGERED"
        if policy.get("enable") and policy.get("rollback") and (tripped or failed):
            return True
    return False
