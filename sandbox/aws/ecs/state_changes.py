"""ECS's events for EventBridge: "ECS Deployment State Change" and "ECS Task State Change".

ECS developer guide, "Amazon ECS service deployment state change events" and "Amazon ECS task state change events".
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sandbox.aws.ecs import task_answers
from sandbox.aws.ecs.deployments import Deployment
from sandbox.aws.ecs.services import Service
from sandbox.aws.ecs.tasks import Task

_NAMES = {
    "IN_PROGRESS": ("INFO", "SERVICE_DEPLOYMENT_IN_PROGRESS"),
    "COMPLETED": ("INFO", "SERVICE_DEPLOYMENT_COMPLETED"),
    "FAILED": ("ERROR", "SERVICE_DEPLOYMENT_FAILED"),
}


@dataclass(frozen=True, slots=True)
class StateChange:
    """One event, as EventBridge has it."""

    kind: str
    """Its ``detail-type``."""
    resource: str
    """ARN of the service or of the task."""
    detail: dict[str, Any]
    at: float
    """Epoch seconds."""


class StateChanges:
    """Yields an event once for each state of each deployment and task."""

    def __init__(self) -> None:
        self._published: dict[str, object] = {}

    def new(self, services: Iterable[Service], tasks: Iterable[Task], now: float) -> Iterator[StateChange]:
        """Yield what has changed since the last call. ``tasks`` are the live tasks, and those that have just ended."""
        for service in services:
            for deployment in reversed(service.deployments):
                if self._is_new(deployment.id, deployment.rollout_state):
                    yield _of_deployment(service, deployment, now)
        for task in tasks:
            if self._is_new(task.arn, (task.status, task.desired_status, task.health)):
                yield StateChange("ECS Task State Change", task.arn, _event_value(task_answers.task(task)), now)
            if task.status == "STOPPED":
                del self._published[task.arn]

    def _is_new(self, what: str, state: object) -> bool:
        if self._published.get(what) == state:
            return False
        self._published[what] = state
        return True


def _of_deployment(service: Service, deployment: Deployment, now: float) -> StateChange:
    level, name = _NAMES[deployment.rollout_state]
    detail = {
        "eventType": level,
        "eventName": name,
        "deploymentId": deployment.id,
        "updatedAt": _iso(now),
        "reason": deployment.reason,
    }
    return StateChange("ECS Deployment State Change", service.arn, detail, now)


def _event_value(value: Any) -> Any:
    """Return a value as events have it: times in ISO 8601."""
    if isinstance(value, dict):
        return {
            key: _iso(field) if key.endswith("At") and isinstance(field, float) else _event_value(field)
            for key, field in value.items()
        }
    return [_event_value(element) for element in value] if isinstance(value, list) else value


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
