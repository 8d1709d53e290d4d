"""A log of the calls as AWS saw them: who called what on which resource, and whether it changed anything.

Never a parameter: they may hold secrets.
"""

import threading
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

READING = (
    "Describe", "List", "Get", "BatchGet", "BatchCheck", "Head", "Filter", "Query", "Search", "Select",
    "Test", "Validate", "Check", "StartQuery", "StopQuery", "Lookup",
)  # fmt: skip
"""How the names of operations begin that change nothing."""

_NAMES = (
    "service", "serviceName", "taskDefinition", "family", "task", "serviceDeploymentArn",
    "cluster", "clusterName", "repositoryName", "resourceArn", "ResourceId", "AlarmName", "AlarmNames",
    "DashboardName", "logGroupName", "TargetGroupArn", "LoadBalancerArn", "ListenerArn", "TopicArn",
    "Namespace",
)  # fmt: skip
"""Parameters that name a resource, the most telling first."""


@dataclass(frozen=True, slots=True)
class Call:
    time: float
    """Product time, in epoch seconds."""
    service: str
    operation: str
    user_agent: str
    changed: bool
    """The operation is one that changes something; whether it was let do so is in ``status``."""
    resource: str
    status: int


class CallLog:
    """The latest calls, oldest first."""

    def __init__(self, limit: int = 20_000) -> None:
        self._calls: deque[Call] = deque(maxlen=limit)
        self._lock = threading.Lock()

    def add(self, call: Call) -> None:
        with self._lock:
            self._calls.append(call)

    def clear(self) -> None:
        with self._lock:
            self._calls.clear()

    def calls(self, *, changing: bool = False) -> list[Call]:
        with self._lock:
            return [call for call in self._calls if call.changed or not changing]

    def as_json(self, *, changing: bool = False) -> list[dict[str, Any]]:
        return [asdict(call) for call in self.calls(changing=changing)]


def changes(operation: str) -> bool:
    return not operation.startswith(READING)


def resource_of(parameters: dict[str, Any]) -> str:
    """What a call is about: ``cluster/service`` for a service, else the first name among its parameters."""
    for name in _NAMES:
        value = parameters.get(name)
        value = ",".join(map(str, value)) if isinstance(value, list) else value
        if isinstance(value, str) and value:
            short = value.rsplit(":task-definition/", 1)[-1]
            cluster = parameters.get("cluster")
            if name in {"service", "serviceName"} and isinstance(cluster, str):
                return f"{cluster.rsplit('/', 1)[-1]}/{short.rsplit('/', 1)[-1]}"
            return short
    return ""
