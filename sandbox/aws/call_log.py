"""A log of the calls as AWS saw them: caller, operation, resource, and effect.

Parameters are never logged: they may hold secrets. All changing calls are kept, since "exactly once" is judged by them.
"""

import threading
from collections import deque
from dataclasses import asdict, dataclass, replace
from typing import Any

READING = (
    "Describe", "List", "Get", "BatchGet", "BatchCheck", "Head", "Filter", "Query", "Search", "Select",
    "Test", "Validate", "Check", "StartQuery", "StopQuery", "Lookup",
)  # fmt: skip
"""Prefixes of the names of operations that change nothing."""

_NAMES = (
    "service", "serviceName", "taskDefinition", "family", "task", "serviceDeploymentArn",
    "cluster", "clusterName", "repositoryName", "resourceArn", "ResourceId", "AlarmName", "AlarmNames",
    "DashboardName", "logGroupName", "TargetGroupArn", "LoadBalancerArn", "ListenerArn", "TopicArn",
    "Namespace", "SecretId", "RoleArn",
)  # fmt: skip
"""Parameters that name a resource, the most specific first."""


@dataclass(frozen=True, slots=True)
class Call:
    time: float
    """Product time, in epoch seconds."""
    service: str
    operation: str
    user_agent: str
    caller: str
    """ARN of the principal that signed the call."""
    changed: bool
    """Whether the operation is one that changes something; ``status`` shows whether it was refused."""
    resource: str
    status: int
    """HTTP status of the answer, if the caller got one."""
    effect: str = ""
    """The deployment that ECS began, as ``ecs-svc/id family:revision``, the task definition that was registered, or the
    tasks that RunTask has answered with, as ``id starter``: a repeated client token has the same ids."""
    account: str = ""
    """Where the call acted: the account of the principal, and the region of the signature."""
    region: str = ""
    number: int = 0
    """The call's number among all calls, from 1."""


class CallLog:
    """Every changing call and the latest reading calls, oldest first."""

    def __init__(self, limit: int = 20_000) -> None:
        self._changing: list[Call] = []
        self._reading: deque[Call] = deque(maxlen=limit)
        self._count = 0
        self._lock = threading.Lock()

    def add(self, call: Call) -> None:
        with self._lock:
            self._count += 1
            (self._changing if call.changed else self._reading).append(replace(call, number=self._count))

    def clear(self) -> None:
        with self._lock:
            self._changing.clear()
            self._reading.clear()
            self._count = 0

    def calls(self, *, changing: bool = False, after: int = 0) -> list[Call]:
        """Return the calls with higher numbers than ``after``."""
        with self._lock:
            kept = [*self._changing] if changing else sorted((*self._changing, *self._reading), key=_number)
        return [call for call in kept if call.number > after]

    def as_json(self, *, changing: bool = False, after: int = 0) -> list[dict[str, Any]]:
        return [asdict(call) for call in self.calls(changing=changing, after=after)]


def _number(call: Call) -> int:
    return call.number


def changes(operation: str) -> bool:
    return not operation.startswith(READING)


def resource_of(parameters: dict[str, Any]) -> str:
    """Return the resource of a call: ``cluster/service`` for a service, else the first name among its parameters."""
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
